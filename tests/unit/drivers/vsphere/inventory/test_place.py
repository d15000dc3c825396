"""Where our disks are, and what their files are called: pure."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from controller.model import DiskId, VolumeKey
from drivers.vsphere.inventory import (
    Datastore,
    File,
    Found,
    Pin,
    Place,
    by_id,
    key_of,
    keys_of,
    parse_path,
    unfinished_pattern,
)

PLACE = Place("datastore-1", "DS", "reberth", url="ds:///vmfs/volumes/1/")
DISK = DiskId("[DS] reberth/data.vmdk")
TWO = replace(PLACE, others=(Place("datastore-2", "SAN 2", "reberth", url="ds:///vmfs/volumes/2/"),))
DATA, COPY = VolumeKey("data-0123"), VolumeKey("data-4567")


def test_a_file_without_the_datastores_id_is_known_by_its_name() -> None:
    assert PLACE.find(File("DS", "reberth/data.vmdk")) == DISK


def test_a_folder_that_is_called_as_a_mount_is_none() -> None:
    assert PLACE.find(File("", "vmfs/volumes/1/reberth/data.vmdk")) == DISK
    assert PLACE.find(File("datastore-1", "vmfs/volumes/1/reberth/data.vmdk")) is None


@pytest.mark.parametrize("written", ["[] /", "[]/", "[] ds:///", "ds:///", "/", "//"])
def test_a_file_is_known_by_its_mount_however_that_is_written(written: str) -> None:
    assert parse_path(f"{written}vmfs/volumes/1/reberth/data.vmdk") == ("", "vmfs/volumes/1/reberth/data.vmdk")


def test_a_folder_below_a_datastore_is_no_mount() -> None:
    for text in ("[DS] vmfs/volumes/1/data.vmdk", "[DS] /vmfs/volumes/1/data.vmdk"):
        assert parse_path(text) == ("DS", "vmfs/volumes/1/data.vmdk")


def test_a_disk_in_a_folder_that_vsan_shows_as_a_uuid_is_ours() -> None:
    place = replace(PLACE, aliases=("5a0b1c2d-0000",))
    assert place.find(File("datastore-1", "5a0b1c2d-0000/data.vmdk")) == DISK


def test_refusal_names_the_folder_of_the_settings() -> None:
    assert PLACE.refusal(DISK) is None
    assert PLACE.refusal(PLACE.disk(VolumeKey("data"))) is None
    for wrong in ("[OTHER] reberth/data.vmdk", "[DS] vm/data.vmdk", "data"):
        assert "[DS] reberth" in (PLACE.refusal(DiskId(wrong)) or "")


@pytest.mark.parametrize(
    "uuid", ["6000C29A-1234-5678-9abc-def012345678", "60 00 C2 9a 12 34 56 78-9a bc de f0 12 34 56 78"]
)
def test_the_guests_names_of_a_disk_are_its_uuid_without_ornaments(uuid: str) -> None:
    assert by_id(uuid) == ("wwn-0x6000c29a123456789abcdef012345678", "scsi-36000c29a123456789abcdef012345678")


def test_the_same_storage_in_another_datacenter_is_known_by_its_url() -> None:
    """vCenter has an object of its own for it in each datacenter."""
    shared = Datastore("datastore-9", "DS (1)", PLACE.url)
    other = Datastore("datastore-8", "DS", "ds:///vmfs/volumes/8/")
    place = PLACE.among([Datastore("datastore-1", "DS", PLACE.url), shared, other])
    assert place.find(File("datastore-9", "reberth/data.vmdk")) == DISK
    assert place.find(File("datastore-8", "reberth/data.vmdk")) is None


def test_a_copy_under_way_is_no_disk_and_is_found_by_the_key_that_it_is_for() -> None:
    fresh = PLACE.unfinished(COPY, "abc").rsplit("/", 1)[-1]
    files = [Found(name, None) for name in (fresh, "data-0123.vmdk", "data-0123-flat.vmdk")]

    assert keys_of(files, "") == [DATA]
    assert fnmatchcase(fresh, unfinished_pattern(COPY))
    assert not fnmatchcase(fresh, unfinished_pattern(DATA))
    assert not fnmatchcase("data-4567.vmdk", unfinished_pattern(COPY))


def test_a_copy_under_way_is_a_file_of_ours() -> None:
    """So that the driver may remove it."""
    assert PLACE.refusal(PLACE.unfinished(COPY, "abc")) is None


def test_a_disk_is_known_by_its_key() -> None:
    assert key_of(PLACE.disk(DATA)) == DATA


def test_a_file_of_one_name_on_two_datastores_is_two_disks() -> None:
    first, second = DISK, DiskId("[SAN 2] reberth/data.vmdk")
    assert [TWO.find(File(ref, "reberth/data.vmdk")) for ref in ("datastore-1", "datastore-2")] == [first, second]
    assert (TWO.of(first).name, TWO.of(second).name) == ("DS", "SAN 2")
    assert (TWO.refusal(first), TWO.refusal(second)) == (None, None)
    assert "[DS] reberth or [SAN 2] reberth" in str(TWO.refusal(DiskId("[NFS] reberth/data.vmdk")))


def test_each_datastore_is_known_by_its_own_url_in_other_datacenters() -> None:
    place = TWO.among([Datastore("datastore-9", "SAN 2 (1)", "ds:///vmfs/volumes/2/")])
    assert place.find(File("datastore-9", "reberth/data.vmdk")) == "[SAN 2] reberth/data.vmdk"
    assert place.refs == {"datastore-1", "datastore-2", "datastore-9"}


def test_a_pin_tells_the_datastore_where_there_are_several() -> None:
    assert PLACE.pin(DISK) == Pin(key_of(DISK))
    assert TWO.pin(DiskId("[SAN 2] reberth/data.vmdk")) == Pin(key_of(DISK), "SAN 2")
    assert TWO.pinned(Pin(key_of(DISK))) == [DISK, "[SAN 2] reberth/data.vmdk"]


def test_the_only_member_of_a_datastore_cluster_is_pinned_by_its_name() -> None:
    """Others may come."""
    alone = replace(PLACE, pod="POD")
    assert alone.pin(DISK) == Pin(key_of(DISK), "DS")


def test_the_settings_mean_a_datastore_by_its_own_name_or_by_that_of_its_cluster() -> None:
    one, two = replace(PLACE, pod="POD"), Place("datastore-2", "SAN", "reberth", option="SAN", pod="POD")
    place = replace(one, others=(two,))
    assert [each.name for each in place.meant("POD")] == ["DS", "SAN"]
    assert [each.name for each in place.meant("SAN")] == ["SAN"]
    assert place.meant("DS") == ()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[DS] reberth/a.vmdk", ("DS", "reberth/a.vmdk")),
        ("[DS]reberth/a.vmdk", ("DS", "reberth/a.vmdk")),
        ("[SSD [new]] reberth/a.vmdk", ("SSD [new]", "reberth/a.vmdk")),
        ("[Dätenspeicher] reberth/a].vmdk", ("Dätenspeicher", "reberth/a].vmdk")),
        ("[] /vmfs/volumes/1/reberth/a.vmdk", ("", "vmfs/volumes/1/reberth/a.vmdk")),
        ("reberth/a.vmdk", None),
        ("[DS] ", None),
        ("", None),
    ],
)
def test_a_path_is_a_datastore_and_a_file(text: str, parts: tuple[str, str] | None) -> None:
    assert parse_path(text) == parts


def test_files_beside_a_disk_and_disks_of_its_snapshots_are_no_volumes() -> None:
    names = ["data-0123", "data-0123-flat", "data-0123-ctk", "data-0123-000001", "data-0123-000001-sesparse"]
    assert keys_of([Found(f"{name}.vmdk", None) for name in (*names, "other-000002")], "") == [
        "data-0123",
        "other-000002",
    ]

"""Which files of a folder are disks while copies are made."""

from __future__ import annotations

from fnmatch import fnmatchcase

from controller.model import VolumeKey
from drivers.vsphere.convert import Place, key_of, keys_of, unfinished_pattern
from drivers.vsphere.requests import Found

PLACE = Place("datastore-1", "DS", "reberth")
DATA, COPY = VolumeKey("data-0123"), VolumeKey("data-4567")


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

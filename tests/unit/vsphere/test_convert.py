"""What follows from what vCenter says: pure."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model import Attachment, AttachmentState, DiskId, Epoch, Power, VmId, VolumeKey
from drivers.base import DriverError
from drivers.vsphere.convert import (
    Disk,
    File,
    Place,
    Vm,
    attachments,
    by_id,
    find,
    identity,
    normal_uuid,
    orders,
    power,
    shows_uuids,
    stamp,
)

PLAIN = "420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b"
SWAPPED = "6c0b0f42-2e1d-403f-8a9b-0c1d2e3f4a5b"
OTHER = "420f0b6c-1d2e-3f40-8a9b-ffffffffffff"
PLACE = Place("datastore-1", "DS", "reberth")
DISK = DiskId("[DS] reberth/data.vmdk")
HOSTS = {"host-1": "connected"}


def disk(*paths: str, datastore: str = "datastore-1") -> Disk:
    return Disk(2001, 1000, 1, tuple(File(datastore, path) for path in paths))


def vm(ref: str = "vm-1", uuid: str = PLAIN, **more: object) -> Vm:
    made = Vm(ref, f"name of {ref}", uuid, power="poweredOn", connection="connected", host="host-1")
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_swapped_order_is_the_little_endian_reading_of_the_first_three_fields() -> None:
    assert orders(PLAIN) == {PLAIN, SWAPPED}
    assert orders(SWAPPED) == {PLAIN, SWAPPED}


@given(st.uuids())
def test_both_orders_name_the_same_two_ids(uuid: UUID) -> None:
    assert all(orders(each) == orders(str(uuid)) for each in orders(str(uuid)))


def test_what_is_no_uuid_names_nobody() -> None:
    assert normal_uuid("not a uuid") == ""
    assert orders("") == frozenset()


def test_a_vm_goes_by_the_order_stamped_on_it() -> None:
    assert identity(vm()) == PLAIN
    assert identity(vm(extra={"reberth.vm": SWAPPED})) == SWAPPED


def test_a_clone_does_not_inherit_the_identity_or_the_epoch_of_its_original() -> None:
    clone = vm(uuid=OTHER, extra={"reberth.vm": PLAIN, "reberth.epoch": "9"})
    assert identity(clone) == OTHER
    assert stamp(clone) is None


def test_the_epoch_stamp_is_a_number_or_none() -> None:
    assert stamp(vm(extra={"reberth.vm": PLAIN, "reberth.epoch": "9"})) == 9
    assert stamp(vm(extra={"reberth.epoch": "nine"})) is None
    assert stamp(vm()) is None


def test_find_gives_the_only_vm_that_fits_in_either_order() -> None:
    assert find([vm(), vm("vm-2", OTHER)], VmId(SWAPPED)) == vm()


def test_find_refuses_to_choose_between_a_plain_and_a_swapped_match() -> None:
    why = find([vm(), vm("vm-2", SWAPPED)], VmId(PLAIN))
    assert isinstance(why, str)
    assert "name of vm-1, name of vm-2" in why


def test_find_says_that_a_vm_is_not_visible() -> None:
    why = find([vm()], VmId(OTHER))
    assert isinstance(why, str)
    assert OTHER in why


def test_a_disk_of_ours_is_an_attachment_with_the_stamp_of_its_vm() -> None:
    holder = vm(disks=(disk("reberth/data.vmdk"),), extra={"reberth.epoch": "4"})
    assert attachments([holder], PLACE) == [Attachment(DISK, VmId(PLAIN), AttachmentState.ATTACHED, Epoch(4))]


@pytest.mark.parametrize(
    "foreign",
    [
        disk("reberth/data.vmdk", datastore="datastore-2"),
        disk("reberth2/data.vmdk"),
        disk("a/reberth/data.vmdk"),
        disk("data.vmdk"),
        disk(),
    ],
    ids=["on another datastore", "in another folder", "in a deeper folder", "in no folder", "without a file"],
)
def test_a_disk_elsewhere_is_not_ours(foreign: Disk) -> None:
    assert attachments([vm(disks=(foreign,))], PLACE) == []


def test_a_file_without_the_datastores_id_is_known_by_its_name() -> None:
    assert PLACE.find(File("DS", "reberth/data.vmdk")) == DISK


def test_a_disk_in_a_folder_that_vsan_shows_as_a_uuid_is_ours() -> None:
    place = replace(PLACE, aliases=("5a0b1c2d-0000",))
    assert place.find(File("datastore-1", "5a0b1c2d-0000/data.vmdk")) == DISK


def test_a_disk_under_a_snapshot_is_still_attached() -> None:
    held = vm(disks=(disk("reberth/data-000001.vmdk", "reberth/data.vmdk"),))
    assert DISK in {each.disk for each in attachments([held], PLACE)}


def test_attachments_of_two_vms_with_one_uuid_are_uncertain() -> None:
    twins = [vm(disks=(disk("reberth/data.vmdk"),)), vm("vm-2", SWAPPED)]
    assert [each.state for each in attachments(twins, PLACE)] == [AttachmentState.UNCERTAIN]


def test_a_vm_on_our_datastore_that_cannot_be_read_makes_the_whole_answer_unknown() -> None:
    broken = vm(readable=False, connection="inaccessible", datastores=frozenset({"datastore-1"}))
    with pytest.raises(DriverError, match=r"name of vm-1 \(inaccessible\)"):
        attachments([broken, vm("vm-2", OTHER)], PLACE)
    with pytest.raises(DriverError):
        attachments([replace(broken, datastores=frozenset())], PLACE)


def test_a_vm_on_other_datastores_that_cannot_be_read_is_not_waited_for() -> None:
    assert attachments([vm(readable=False, datastores=frozenset({"datastore-9"}))], PLACE) == []


def test_refusal_names_the_folder_of_the_settings() -> None:
    assert PLACE.refusal(DISK) is None
    assert PLACE.refusal(PLACE.disk(VolumeKey("data"))) is None
    for wrong in ("[OTHER] reberth/data.vmdk", "[DS] vm/data.vmdk", "data"):
        assert "[DS] reberth" in (PLACE.refusal(DiskId(wrong)) or "")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("poweredOff", Power.OFF), ("poweredOn", Power.ON), ("suspended", Power.ON), ("", Power.UNKNOWN)],
)
def test_power_of_a_connected_vm_is_what_vcenter_shows(state: str, expected: Power) -> None:
    assert power(vm(power=state), HOSTS) is expected


def test_power_off_does_not_count_without_a_connected_host() -> None:
    off = vm(power="poweredOff")
    assert power(replace(off, connection="disconnected"), HOSTS) is Power.UNKNOWN
    assert power(replace(off, host=None), HOSTS) is Power.UNKNOWN
    assert power(off, {"host-1": "notResponding"}) is Power.UNKNOWN
    assert power(off, {}) is Power.UNKNOWN


@pytest.mark.parametrize(
    "uuid", ["6000C29A-1234-5678-9abc-def012345678", "60 00 C2 9a 12 34 56 78-9a bc de f0 12 34 56 78"]
)
def test_the_guests_names_of_a_disk_are_its_uuid_without_ornaments(uuid: str) -> None:
    assert by_id(uuid) == ("wwn-0x6000c29a123456789abcdef012345678", "scsi-36000c29a123456789abcdef012345678")


def test_uuids_are_shown_only_if_the_setting_says_so() -> None:
    assert shows_uuids(vm(extra={"disk.enableuuid": "TRUE"}))
    assert not shows_uuids(vm(extra={"disk.enableuuid": "FALSE"}))
    assert not shows_uuids(vm())

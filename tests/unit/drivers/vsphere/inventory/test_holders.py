"""Who has which disk, and what nobody can say: pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Attachment, AttachmentState, DiskId, Epoch, Power, VmId, VolumeKey
from drivers.base import Listing
from drivers.vsphere.inventory import (
    FORBIDDEN,
    Controller,
    Disk,
    File,
    Inventory,
    Pin,
    Place,
    Vm,
    attachments,
    listing,
    outdated,
    power,
    unpinned,
    unread_vms,
    whole,
)

PLAIN = "420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b"
SWAPPED = "6c0b0f42-2e1d-403f-8a9b-0c1d2e3f4a5b"
OTHER = "420f0b6c-1d2e-3f40-8a9b-ffffffffffff"
PLACE = Place("datastore-1", "DS", "reberth")
DISK = DiskId("[DS] reberth/data.vmdk")
HOSTS = {"host-1": "connected"}
SCSI = Controller(1000, 0, paravirtual=True, taken=frozenset({1}))
PINNED = {"reberth.vm": PLAIN, "reberth.disks.0": "1:data"}
BROKEN = "no configuration"


def disk(*paths: str, datastore: str = "datastore-1") -> Disk:
    return Disk(2001, 1000, 1, tuple(File(datastore, path) for path in paths))


def vm(ref: str = "vm-1", uuid: str = PLAIN, **more: object) -> Vm:
    made = Vm(ref, f"name of {ref}", uuid, power="poweredOn", connection="connected", host="host-1")
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_vm_that_the_user_may_not_read_may_hold_a_disk_also_where_it_was_never_read() -> None:
    """One that is only being made shows as little, and holds nothing."""
    denied = Vm("vm-9", "vm-9", unread=FORBIDDEN)
    assert unread_vms([denied], PLACE) == [denied]
    assert unread_vms([replace(denied, unread=BROKEN)], PLACE) == []
    why = whole([denied], PLACE)
    assert why is not None
    assert "does not let the user read vm-9" in why


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


def test_a_disk_under_a_snapshot_is_still_attached() -> None:
    held = vm(disks=(disk("reberth/data-000001.vmdk", "reberth/data.vmdk"),))
    assert DISK in {each.disk for each in attachments([held], PLACE)}


def test_attachments_of_two_vms_with_one_uuid_are_uncertain() -> None:
    twins = [vm(disks=(disk("reberth/data.vmdk"),)), vm("vm-2", SWAPPED)]
    assert [each.state for each in attachments(twins, PLACE)] == [AttachmentState.UNCERTAIN]


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


def test_a_vm_that_cannot_be_read_is_unread_and_the_disks_of_the_others_are_listed() -> None:
    broken = vm(unread=BROKEN, connection="inaccessible", datastores=frozenset({"datastore-1"}))
    other = vm("vm-2", OTHER, disks=(disk("reberth/data.vmdk"),))
    found = listing(Inventory((broken, other), HOSTS), PLACE)
    assert [(each.disk, each.vm) for each in found.attachments] == [(DISK, OTHER)]
    assert "name of vm-1 (inaccessible: no configuration), which may hold a disk" in found.unread[0]
    assert VmId(OTHER) in found.seen
    assert VmId(PLAIN) not in found.seen
    assert whole([broken], PLACE)
    assert whole([other], PLACE) is None


@pytest.mark.parametrize("unread", [BROKEN, "an empty device list", "a configuration without a version"])
def test_whatever_is_not_told_of_a_vm_keeps_it_from_being_seen_as_without_disks(unread: str) -> None:
    found = listing(Inventory((vm(unread=unread),), HOSTS), PLACE)
    assert (found.attachments, found.seen) == ((), frozenset())
    assert unread in found.unread[0]


def test_a_vm_on_other_datastores_that_cannot_be_read_is_not_waited_for() -> None:
    assert unread_vms([vm(unread=BROKEN, datastores=frozenset({"datastore-9"}))], PLACE) == []


def test_a_vm_that_is_only_being_made_holds_nothing() -> None:
    """Cloned or deployed: without a configuration, a host, a file, and never read before."""
    made = vm(unread=BROKEN, host=None, power="poweredOff", connection="")
    assert unread_vms([made], PLACE) == []
    for holder in (
        replace(made, host="host-1"),
        replace(made, power="poweredOn"),
        replace(made, datastores=frozenset({"datastore-1"})),
    ):
        assert unread_vms([holder], PLACE) == [holder]
    assert unread_vms([made], PLACE, {"vm-1"}) == [made]


def test_a_disk_whose_file_vcenter_moved_is_still_on_its_vm_and_uncertain() -> None:
    away = replace(disk("vm/vm_1.vmdk", datastore="datastore-2"), name="[OTHER] vm/vm_1.vmdk")
    holder = vm(disks=(away,), controllers=(SCSI,), extra=PINNED)
    found = listing(Inventory((holder,), HOSTS), PLACE)
    assert found.attachments == (Attachment(DISK, VmId(PLAIN), AttachmentState.UNCERTAIN),)
    assert "[OTHER] vm/vm_1.vmdk" in found.odd[DISK]


@pytest.mark.parametrize("now", ["", "[] /vmfs/volumes/0badc0de-1/vm/vm_1.vmdk"], ids=["no name", "no datastore"])
def test_a_disk_of_ours_is_on_its_vm_also_while_vcenter_does_not_tell_its_file(now: str) -> None:
    """As where the VM's host has lost the datastore: the device is there, and its file has no name that we know."""
    files = (File("", now.removeprefix("[] /")),) if now else ()
    holder = vm(disks=(replace(disk(), files=files, name=now),), controllers=(SCSI,), extra=PINNED)
    found = listing(Inventory((holder,), HOSTS), replace(PLACE, url="ds:///vmfs/volumes/5f-1/"))
    assert found.attachments == (Attachment(DISK, VmId(PLAIN), AttachmentState.UNCERTAIN),)
    assert "give the host its way to that datastore back" in found.odd[DISK]


def test_a_disk_whose_datastore_is_only_told_by_where_it_was_mounted_is_known_by_that() -> None:
    at = replace(PLACE, url="ds:///vmfs/volumes/5f-1/")
    for path, known in (("5f-1/reberth", [DISK]), ("5f-2/reberth", []), ("5f-1/other", [])):
        holder = vm(disks=(disk(f"vmfs/volumes/{path}/data.vmdk", datastore=""),))
        assert [each.disk for each in attachments([holder], at)] == known
        assert attachments([holder], PLACE) == []  # of a datastore without a URL nothing is guessed


@pytest.mark.parametrize("now", ["data-000001", "data_1"])
def test_a_disk_under_another_name_in_our_own_folder_is_still_its_vms(now: str) -> None:
    """A snapshot's file of which vCenter does not tell the parent, or one that was moved away and back."""
    holder = vm(disks=(disk(f"reberth/{now}.vmdk"),), controllers=(SCSI,), extra=PINNED)
    states = {each.disk: each.state for each in attachments([holder], PLACE)}
    assert states[DISK] is AttachmentState.UNCERTAIN


def test_a_disk_under_a_snapshot_or_another_disk_in_its_slot_is_no_moved_disk() -> None:
    for paths, known in ((("reberth/data-000001.vmdk", "reberth/data.vmdk"), 2), (("reberth/data2.vmdk",), 1)):
        holder = vm(disks=(disk(*paths),), controllers=(SCSI,), extra=PINNED)
        found = attachments([holder], PLACE)
        assert [each.state for each in found] == [AttachmentState.ATTACHED] * known


def test_a_disk_that_moved_to_another_datastore_of_ours_under_its_name_is_uncertain_where_it_was() -> None:
    two = replace(PLACE, others=(Place("datastore-2", "SAN", "reberth"),))
    away = replace(disk("reberth/data.vmdk", datastore="datastore-2"), name="[SAN] reberth/data.vmdk")
    pinned = {"reberth.vm": PLAIN, "reberth.disks.0": "1:data/DS"}
    found = listing(Inventory((vm(disks=(away,), controllers=(SCSI,), extra=pinned),), HOSTS), two)
    assert {(each.disk, each.state) for each in found.attachments} == {
        (DISK, AttachmentState.UNCERTAIN),
        (DiskId("[SAN] reberth/data.vmdk"), AttachmentState.ATTACHED),
    }
    assert "Storage DRS has moved it" in found.odd[DISK]


def test_a_moved_disk_whose_pin_tells_no_datastore_is_uncertain_on_all_that_it_may_be_of() -> None:
    two = replace(PLACE, others=(Place("datastore-2", "SAN", "reberth"),))
    away = replace(disk("vm/vm_1.vmdk", datastore="datastore-3"), name="[OTHER] vm/vm_1.vmdk")
    found = attachments([vm(disks=(away,), controllers=(SCSI,), extra=PINNED)], two)
    assert {each.disk for each in found} == {DISK, "[SAN] reberth/data.vmdk"}
    assert {each.state for each in found} == {AttachmentState.UNCERTAIN}


def test_an_attached_disk_whose_datastore_the_settings_do_not_name_any_more_is_uncertain() -> None:
    left = replace(disk("reberth/data.vmdk", datastore="datastore-2"), name="[SAN] reberth/data.vmdk")
    pinned = {"reberth.vm": PLAIN, "reberth.disks.0": "1:data/SAN"}
    found = listing(Inventory((vm(disks=(left,), controllers=(SCSI,), extra=pinned),), HOSTS), PLACE)
    assert [(each.disk, each.state) for each in found.attachments] == [(left.name, AttachmentState.UNCERTAIN)]
    assert "name it in datastores again" in found.odd[DiskId(left.name)]


def test_a_pin_tells_nothing_of_an_empty_slot_of_another_disk_or_of_a_clone() -> None:
    foreign = disk("vm/system.vmdk", datastore="datastore-2")
    empty = vm(controllers=(SCSI,), extra=PINNED)
    other_slot = vm(controllers=(SCSI,), extra=PINNED, disks=(replace(foreign, unit=2),))
    clone = vm(uuid=OTHER, controllers=(SCSI,), extra=PINNED, disks=(foreign,))
    for holder in (empty, other_slot, clone):
        assert attachments([holder], PLACE) == []
    at_home = vm(controllers=(SCSI,), extra=PINNED, disks=(disk("reberth/data.vmdk"),))
    assert [each.state for each in attachments([at_home], PLACE)] == [AttachmentState.ATTACHED]


def test_power_comes_with_the_list_under_both_names_of_a_vm_and_is_unknown_for_twins() -> None:
    found = listing(Inventory((vm(power="poweredOff"),), HOSTS), PLACE)
    assert found.power == {VmId(PLAIN): Power.OFF, VmId(SWAPPED): Power.OFF}
    lost = listing(Inventory((vm(connection="disconnected"),), HOSTS), PLACE)
    assert lost.seen == frozenset()
    twins = listing(Inventory((vm(), vm("vm-2")), HOSTS), PLACE)
    assert set((twins.power or {}).values()) == {Power.UNKNOWN}


def test_nothing_at_all_is_an_empty_list() -> None:
    assert listing(Inventory(), PLACE) == Listing((), power={})


def test_a_pin_is_of_no_disk_any_more_where_its_slot_is_empty_or_has_another_of_ours() -> None:
    """Somebody took it away by hand. Another file that is not ours may be ours, moved; of a clone nothing is said."""
    ours, foreign = disk("reberth/other.vmdk"), disk("vm/vm_1.vmdk")
    for disks in ((), (ours,), (replace(disk("reberth/data.vmdk"), unit=5),)):
        assert outdated(vm(disks=disks, controllers=(SCSI,), extra=PINNED), PLACE) == {(0, 1)}
    for kept in (disk("reberth/data.vmdk"), foreign, disk("reberth/data_1.vmdk"), disk()):
        assert outdated(vm(disks=(kept,), controllers=(SCSI,), extra=PINNED), PLACE) == set()
    assert outdated(vm(extra=PINNED), PLACE) == set()  # its controller is not told
    assert outdated(vm(uuid=OTHER, controllers=(SCSI,), extra=PINNED), PLACE) == set()


def test_disks_of_ours_that_somebody_moved_to_other_slots_are_without_a_pin() -> None:
    elsewhere, other = replace(disk("reberth/data.vmdk"), key=2005, unit=5), disk("reberth/other.vmdk")
    found = unpinned(vm(disks=(elsewhere, other), controllers=(SCSI,), extra=PINNED), PLACE)
    assert found == {(0, 5): Pin(VolumeKey("data")), (0, 1): Pin(VolumeKey("other"))}


def test_another_disk_in_the_slot_of_one_that_was_taken_by_hand_is_told_with_how_to_say_so() -> None:
    """It may as well be ours, moved: so both cures are named."""
    foreign = replace(disk("vm/vm_1.vmdk"), name="[DS] vm/vm_1.vmdk")
    told = listing(Inventory((vm(disks=(foreign,), controllers=(SCSI,), extra=PINNED),), HOSTS), PLACE).odd[DISK]
    assert "somebody has put another disk into its slot, 0:1" in told
    assert "take 1:data out of reberth.disks.0" in told

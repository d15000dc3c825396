"""What an attach or a detach does to a VM: pure."""

from __future__ import annotations

from dataclasses import replace

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Refused
from drivers.vsphere.decide import attach_change, detach_change, gone, to_attach, to_detach
from drivers.vsphere.inventory import Controller, Disk, File, Place, Vm
from drivers.vsphere.slots import Slot

PLACE = Place("datastore-1", "DS", "reberth")
ID = VmId("420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b")
TWIN = "564d0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5c"
ONE, TWO = DiskId("[DS] reberth/one.vmdk"), DiskId("[DS] reberth/two.vmdk")
EPOCH = Epoch(5)
HELD = Disk(2001, 1000, 1, (File("datastore-1", "reberth/one.vmdk"),))


def vm(**more: object) -> Vm:
    extra = {"disk.enableuuid": "TRUE", "reberth.epoch": "5", "reberth.vm": ID}
    made = Vm("vm-1", "one", ID, "poweredOn", "connected", "host-1", change_version="v1", extra=extra)
    return replace(made, **more)  # type: ignore[arg-type]


def why(step: object, disk: DiskId = ONE) -> str:
    outcome = step.known[disk]  # type: ignore[attr-defined]
    assert isinstance(outcome, Refused | InDoubt)
    return outcome.why


def test_a_disk_that_is_nowhere_is_to_be_attached() -> None:
    step = to_attach([vm()], PLACE, [ONE, ONE, TWO], ID, EPOCH)
    assert (step.todo, step.known, step.restamp) == ((ONE, TWO), {}, False)


def test_a_disk_that_is_there_under_this_epoch_needs_nothing() -> None:
    step = to_attach([vm(disks=(HELD,))], PLACE, [ONE], ID, EPOCH)
    assert (step.todo, step.known, step.restamp) == ((), {ONE: Done()}, False)


def test_a_disk_that_is_there_under_an_older_epoch_is_stamped_anew() -> None:
    assert to_attach([vm(disks=(HELD,))], PLACE, [ONE], ID, Epoch(6)).restamp


def test_a_stamp_of_a_newer_epoch_refuses_both_and_names_it() -> None:
    for decided in (to_attach, to_detach):
        step = decided([vm(disks=(HELD,))], PLACE, [ONE], ID, Epoch(4))
        assert step.vm is None
        assert "under epoch 5, this call has 4" in why(step)


def test_a_disk_of_another_vm_is_refused_with_its_name_even_if_that_is_off() -> None:
    other = vm(ref="vm-2", name="the other", uuid="x", power="poweredOff", disks=(HELD,))
    step = to_attach([vm(), other], PLACE, [ONE, TWO], ID, EPOCH)
    assert "attached to the other" in why(step)
    assert step.todo == (TWO,)


def test_a_disk_that_was_put_into_a_vm_that_shows_no_devices_goes_nowhere_else() -> None:
    """While that VM is off no lock keeps it from being attached twice. A clone's notes are about another VM."""
    noted = {"reberth.vm": TWIN, "reberth.disks.0": "1:one"}
    hidden = vm(ref="vm-2", name="the other", uuid=TWIN, power="poweredOff", unread="an empty device list", extra=noted)
    step = to_attach([vm(), hidden], PLACE, [ONE, TWO], ID, EPOCH)
    assert "put into the other" in why(step)
    assert step.todo == (TWO,)
    clone = replace(hidden, extra={**noted, "reberth.vm": ID})
    assert to_attach([vm(), clone], PLACE, [ONE], ID, EPOCH).todo == (ONE,)


def test_a_suspended_vm_is_asked_for_nothing_it_keeps_its_disks_and_takes_none() -> None:
    """Some servers do as they are told; the memory of the VM goes on with the devices that it had."""
    asleep = vm(power="suspended", disks=(HELD,))
    taken, given = to_detach([asleep], PLACE, [ONE], ID, EPOCH), to_attach([asleep], PLACE, [ONE, TWO], ID, EPOCH)
    assert (taken.todo, given.todo) == ((), ())
    assert "resume it, or power it off" in why(taken)
    assert "resume it, or power it off" in why(given, TWO)
    assert given.known[ONE] == Done()


def test_nothing_is_attached_to_a_vm_whose_host_does_not_answer() -> None:
    step = to_attach([vm(connection="disconnected")], PLACE, [ONE], ID, EPOCH)
    assert step.todo == ()
    assert "disconnected" in why(step)


def test_a_vm_without_a_configuration_is_not_touched() -> None:
    step = to_attach([vm(unread="no configuration", connection="inaccessible")], PLACE, [ONE], ID, EPOCH)
    assert "inaccessible" in why(step)


def test_a_disk_that_vcenter_moved_is_neither_attached_nor_detached_and_the_cure_is_named() -> None:
    away = replace(HELD, files=(File("datastore-2", "one/one_1.vmdk"),), name="[OTHER] one/one_1.vmdk")
    pins = {"disk.enableuuid": "TRUE", "reberth.epoch": "5", "reberth.vm": ID, "reberth.disks.0": "1:one"}
    holder = vm(disks=(away,), extra=pins, controllers=(Controller(1000, 0, paravirtual=True, taken=frozenset({1})),))
    uuid = "420f0b6c-1d2e-3f40-8a9b-ffffffffffff"
    other = vm(ref="vm-2", name="the other", uuid=uuid, extra={"disk.enableuuid": "TRUE"})
    for step in (
        to_attach([holder, other], PLACE, [ONE], VmId(other.uuid), EPOCH),
        to_attach([holder, other], PLACE, [ONE], ID, EPOCH),
        to_detach([holder, other], PLACE, [ONE], ID, EPOCH),
    ):
        assert step.todo == ()
        assert "is on one as [OTHER] one/one_1.vmdk: Storage vMotion" in why(step)


def test_a_vm_that_shows_no_devices_any_more_has_not_given_its_disks_back() -> None:
    step = to_detach([vm(unread="an empty device list")], PLACE, [ONE], ID, EPOCH)
    assert "an empty device list" in why(step)
    assert isinstance(gone(vm(unread="an empty device list")), InDoubt)


def test_a_detach_of_what_is_not_there_is_done_only_if_the_host_can_be_believed() -> None:
    assert to_detach([vm()], PLACE, [ONE], ID, EPOCH).known == {ONE: Done()}
    away = to_detach([vm(connection="disconnected")], PLACE, [ONE], ID, EPOCH)
    assert isinstance(away.known[ONE], InDoubt)


def test_nothing_is_asked_of_a_host_that_does_not_answer_and_the_cure_is_named() -> None:
    step = to_detach([vm(disks=(HELD,), connection="disconnected")], PLACE, [ONE], ID, EPOCH)
    assert step.todo == ()
    assert "remove it or the VM from the inventory" in why(step)


def test_a_disk_under_a_snapshot_is_not_detached_and_the_cure_is_named() -> None:
    chain = replace(HELD, files=(File("datastore-1", "reberth/one-000001.vmdk"), *HELD.files))
    step = to_detach([vm(disks=(chain,))], PLACE, [ONE], ID, EPOCH)
    assert step.todo == ()
    assert "delete the VM's snapshots first" in why(step)


def test_an_attach_carries_the_version_the_stamps_and_one_slot_for_each_disk() -> None:
    change = attach_change(vm(), ID, EPOCH, [ONE, TWO], [Slot(0, 3, 1000), Slot(0, 4, 1000)], PLACE)
    assert change.version == "v1"
    assert change.add == ((ONE, 1000, 3), (TWO, 1000, 4))
    noted = {"reberth.slot": "0:4", "reberth.disks.0": "3:one 4:two"}
    assert dict(change.extra) == {"reberth.epoch": "5", "reberth.vm": ID, **noted}
    assert not change.controllers


def test_a_detach_carries_the_version_the_stamps_and_the_whole_devices() -> None:
    change = detach_change(vm(disks=(HELD,)), ID, EPOCH, [ONE], PLACE)
    assert (change.version, change.remove, change.add) == ("v1", (HELD,), ())
    assert dict(change.extra) == {"reberth.epoch": "5", "reberth.vm": ID}


def test_a_detach_takes_the_pin_of_its_disk_away_and_leaves_the_others() -> None:
    pins = {"reberth.vm": ID, "reberth.disks.0": "1:one 2:two"}
    change = detach_change(vm(disks=(HELD,), extra=pins), ID, EPOCH, [ONE], PLACE)
    assert dict(change.extra)["reberth.disks.0"] == "2:two"


BUS = (Controller(1000, 0, paravirtual=True, taken=frozenset({1, 2, 3})),)


def test_a_new_stamp_pins_the_disks_that_are_there_without_a_pin_and_leaves_the_pins_that_are() -> None:
    """Those that were attached by hand, or by a version without pins: else a move makes them disks of nobody."""
    second = Disk(2002, 1000, 2, (File("datastore-1", "reberth/two.vmdk"),))
    strange = Disk(2003, 1000, 3, (File("datastore-1", "other/three.vmdk"),))
    noted = {"reberth.vm": ID, "reberth.epoch": "4", "reberth.disks.0": "2:two"}
    change = attach_change(vm(disks=(HELD, second, strange), controllers=BUS, extra=noted), ID, EPOCH, [], [], PLACE)
    assert dict(change.extra) == {"reberth.epoch": "5", "reberth.vm": ID, "reberth.disks.0": "1:one 2:two"}


def test_what_a_clone_brought_along_goes_with_its_first_own_stamp() -> None:
    """Its pins name disks of the VM that it was made from: as its own they would be disks that were moved to it."""
    noted = {"reberth.vm": TWIN, "reberth.epoch": "4", "reberth.disks.0": "3:theirs"}
    for change in (
        attach_change(vm(controllers=BUS, extra=noted), ID, EPOCH, [ONE], [Slot(0, 4, 1000)], PLACE),
        detach_change(vm(disks=(HELD,), controllers=BUS, extra=noted), ID, EPOCH, [ONE], PLACE),
    ):
        assert "theirs" not in dict(change.extra)["reberth.disks.0"]


def test_pins_of_disks_that_somebody_took_away_by_hand_go_with_the_next_change() -> None:
    """Else whatever comes into that slot counts as that disk, moved."""
    noted = {"reberth.vm": ID, "reberth.epoch": "5", "reberth.disks.0": "1:one 2:taken"}
    holder = vm(disks=(HELD,), controllers=BUS, extra=noted)
    for change, left in (
        (attach_change(holder, ID, EPOCH, [TWO], [Slot(0, 4, 1000)], PLACE), "1:one 4:two"),
        (detach_change(holder, ID, EPOCH, [ONE], PLACE), ""),
    ):
        assert dict(change.extra)["reberth.disks.0"] == left

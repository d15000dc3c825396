"""What an attach or a detach has to do to one VM, from one look. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Outcome, Refused
from drivers.vsphere.convert import EPOCH_KEY, SLOT_KEY, VM_KEY, Place, Vm, find, ours, shows_uuids, stamp, unreadable
from drivers.vsphere.requests import Change
from drivers.vsphere.slots import Slot, free_slots

# A refused attach can freeze the VM for half a minute (it waits for the lock of the disk), so it is not tried at once.
REFUSED_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """Outcomes that are known already, and the disks that a reconfiguration is needed for."""

    vm: Vm | None
    known: dict[DiskId, Outcome] = field(default_factory=dict)
    todo: tuple[DiskId, ...] = ()
    restamp: bool = False  # disks are there, under an older epoch


def refuse_all(disks: Sequence[DiskId], why: str) -> Step:
    return Step(None, {disk: Refused(why) for disk in disks})


def guard(vms: Sequence[Vm], wanted: VmId, epoch: Epoch) -> Vm | str:
    """The VM to change, or why it must not be changed."""
    vm = find(vms, wanted)
    if isinstance(vm, str):
        return vm
    if not vm.readable:
        return f"vCenter cannot read the configuration of {vm.name} ({vm.connection or 'no state'})"
    stamped = stamp(vm)
    if stamped is not None and stamped > epoch:
        return (
            f"{vm.name} was changed under epoch {stamped}, this call has {epoch}: another controller has taken over "
            f"(or the swarm was made anew: then remove {EPOCH_KEY} from the VM's advanced settings)"
        )
    return vm


def _target(vms: Sequence[Vm], place: Place, wanted: VmId, epoch: Epoch) -> Vm | str:
    vm = guard(vms, wanted, epoch)
    if isinstance(vm, str):
        return vm
    if (why := unreadable(vms, place)) is not None:
        return why
    if not shows_uuids(vm):
        return (
            f"{vm.name} does not show its disks' UUIDs, so no node could find a disk: set disk.EnableUUID = TRUE "
            "in its advanced settings while it is off"
        )
    return vm


def to_attach(vms: Sequence[Vm], place: Place, disks: Sequence[DiskId], wanted: VmId, epoch: Epoch) -> Step:
    vm = _target(vms, place, wanted, epoch)
    if isinstance(vm, str):
        return refuse_all(disks, vm)
    here, known, todo = ours(vm, place), dict[DiskId, Outcome](), []
    for disk in dict.fromkeys(disks):
        elsewhere = sorted(other.name for other in vms if other.ref != vm.ref and disk in ours(other, place))
        if (why := place.refusal(disk)) is not None:
            known[disk] = Refused(why)
        elif elsewhere:
            known[disk] = Refused(f"{disk} is attached to {', '.join(elsewhere)}")
        elif disk in here:
            known[disk] = Done()
        elif not vm.connected:
            known[disk] = Refused(f"the host of {vm.name} does not answer to vCenter ({vm.connection})")
        else:
            todo.append(disk)
    here_now = any(disk in here and isinstance(known.get(disk), Done) for disk in disks)
    return Step(vm, known, tuple(todo), restamp=here_now and stamp(vm) != epoch)


def to_detach(vms: Sequence[Vm], place: Place, disks: Sequence[DiskId], wanted: VmId, epoch: Epoch) -> Step:
    vm = guard(vms, wanted, epoch)
    if isinstance(vm, str):
        return refuse_all(disks, vm)
    here, known, todo = ours(vm, place), dict[DiskId, Outcome](), []
    for disk in dict.fromkeys(disks):
        if (why := place.refusal(disk)) is not None:
            known[disk] = Refused(why)
        elif disk not in here:
            known[disk] = gone(vm)
        elif not vm.connected:
            known[disk] = Refused(
                f"the host of {vm.name} does not answer to vCenter ({vm.connection}), so nothing can be taken from it: "
                "bring the host back; if it is surely off, remove it or the VM from the inventory"
            )
        elif len(here[disk].files) > 1:
            known[disk] = Refused(f"{disk} is under a snapshot of {vm.name}: delete the VM's snapshots first")
        else:
            todo.append(disk)
    return Step(vm, known, tuple(todo))


def gone(vm: Vm) -> Outcome:
    # Without its host vCenter shows what it knew last.
    return Done() if vm.connected else InDoubt(f"the host of {vm.name} does not answer to vCenter ({vm.connection})")


def stamps(vm: VmId, epoch: Epoch) -> tuple[tuple[str, str], ...]:
    return ((EPOCH_KEY, str(epoch)), (VM_KEY, vm))


def attach_change(vm: Vm, wanted: VmId, epoch: Epoch, disks: Sequence[DiskId], slots: Sequence[Slot]) -> Change:
    """One slot for each disk. The last one is noted on the VM, so that slots are used in turn."""
    given = list(zip(disks, slots, strict=True))
    extra = stamps(wanted, epoch) + (((SLOT_KEY, str(slots[-1])),) if slots else ())
    add = tuple((str(disk), slot.controller, slot.unit) for disk, slot in given)
    return Change(vm.ref, vm.change_version, extra, add=add)


def detach_change(vm: Vm, wanted: VmId, epoch: Epoch, disks: Sequence[DiskId], place: Place) -> Change:
    here = ours(vm, place)
    return Change(vm.ref, vm.change_version, stamps(wanted, epoch), remove=tuple(here[disk].key for disk in disks))


def fitting(vm: Vm, disks: Sequence[DiskId], per_controller: int) -> tuple[list[DiskId], list[Slot]]:
    """The disks for which there is room, with their slots."""
    slots = free_slots(vm, per_controller)[: len(disks)]
    return list(disks[: len(slots)]), slots

"""What an attach or a detach has to do to one VM, from one look. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Outcome, Refused
from drivers.shared.allowed_vms import foreign
from drivers.vsphere.inventory import (
    EPOCH_KEY,
    SLOT_KEY,
    SUSPENDED,
    VM_KEY,
    Disk,
    Pin,
    Place,
    Vm,
    find,
    names,
    odd,
    ours,
    outdated,
    pinned,
    pins,
    shows_uuids,
    stamp,
    stamped_as_another,
    unpinned,
)
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


def refuse_all(disks: Sequence[DiskId], why: str, cure: str | None = None) -> Step:
    return Step(None, {disk: Refused(why, cure=cure) for disk in disks})


def guard(vms: Sequence[Vm], wanted: VmId, epoch: Epoch) -> Vm | str:
    """The VM to change, or why it must not be changed."""
    vm = find(vms, wanted)
    if isinstance(vm, str):
        return vm
    if not vm.readable:
        return f"vCenter cannot read the configuration of {vm.name} ({vm.connection or 'no state'}: {vm.unread})"
    stamped = stamp(vm)
    if stamped is not None and stamped > epoch:
        return (
            f"{vm.name} was changed under epoch {stamped}, this call has {epoch}: another controller has taken over "
            f"(or the swarm was made anew: then remove {EPOCH_KEY} from the VM's advanced settings)"
        )
    return vm


def _target(vms: Sequence[Vm], disks: Sequence[DiskId], wanted: VmId, epoch: Epoch) -> Vm | Step:
    vm = guard(vms, wanted, epoch)
    if isinstance(vm, str):
        return refuse_all(disks, vm)
    if shows_uuids(vm):
        return vm
    why = f"{vm.name} does not show its disks' UUIDs, so no node could find a disk"
    cure = f"Set disk.EnableUUID = TRUE in the advanced settings of {vm.name} while it is off, or drain its node."
    return refuse_all(disks, why, cure)


def to_attach(vms: Sequence[Vm], place: Place, disks: Sequence[DiskId], wanted: VmId, epoch: Epoch) -> Step:
    vm = _target(vms, disks, wanted, epoch)
    if isinstance(vm, Step):
        return vm
    here, known, todo = ours(vm, place), dict[DiskId, Outcome](), list[DiskId]()
    strange = odd(vms, place)
    for disk in dict.fromkeys(disks):
        away = None if disk in here else _cannot_be_changed(vm)
        if (why := place.refusal(disk) or strange.get(disk) or _elsewhere(vms, vm, disk, place) or away) is not None:
            known[disk] = Refused(why)
        elif disk in here:
            known[disk] = Done()
        else:
            todo.append(disk)
    return Step(vm, known, tuple(todo), restamp=Done() in known.values() and stamp(vm) != epoch)


def _elsewhere(vms: Sequence[Vm], vm: Vm, disk: DiskId, place: Place) -> str | None:
    others = sorted(other.name for other in vms if other.ref != vm.ref and disk in ours(other, place))
    if others:
        return f"{disk} is attached to {', '.join(others)}"
    hidden = sorted(other.name for other in vms if other.ref != vm.ref and _may_hide(other, place.pin(disk)))
    return f"{disk} was put into {', '.join(hidden)}, of which vCenter does not tell the devices" if hidden else None


def _may_hide(other: Vm, wanted: Pin) -> bool:
    """The file's lock is no help while that VM is off; what we noted on it may still be told."""
    if other.readable or stamped_as_another(other):
        return False
    return any(pin.fits(wanted) for pin in pins(other).values())


def _cannot_be_changed(vm: Vm) -> str | None:
    if not vm.connected:
        return _lost(vm)
    return _suspended(vm) if vm.power == SUSPENDED else None


def _suspended(vm: Vm) -> str:
    # Its memory is in a file, with all that it has open and with the devices it has.
    return f"{vm.name} is suspended, and goes on with its disks when it is resumed: resume it, or power it off"


def _lost(vm: Vm) -> str:
    return f"the host of {vm.name} does not answer to vCenter ({vm.connection})"


def to_detach(vms: Sequence[Vm], place: Place, disks: Sequence[DiskId], wanted: VmId, epoch: Epoch) -> Step:
    vm = guard(vms, wanted, epoch)
    if isinstance(vm, str):
        return refuse_all(disks, vm)
    here, strange = ours(vm, place), odd([vm], place)
    known, todo = dict[DiskId, Outcome](), list[DiskId]()
    for disk in dict.fromkeys(disks):
        if (why := place.refusal(disk) or strange.get(disk)) is not None:
            known[disk] = Refused(why)
        elif disk not in here:
            known[disk] = gone(vm)
        elif (why := _stays(vm, disk, here[disk])) is not None:
            known[disk] = Refused(why)
        else:
            todo.append(disk)
    return Step(vm, known, tuple(todo))


def _stays(vm: Vm, disk: DiskId, device: Disk) -> str | None:
    if not vm.connected:
        return (
            f"{_lost(vm)}, so nothing can be taken from it: bring the host back; if it is surely off, remove it or the "
            "VM from the inventory (never from disk)"
        )
    if vm.power == SUSPENDED:
        return _suspended(vm)
    if len(device.files) > 1:
        return f"{disk} is under a snapshot of {vm.name}: delete the VM's snapshots first; if it has none, consolidate"
    return None


def gone(vm: Vm) -> Outcome:
    if not vm.readable:
        return InDoubt(f"vCenter does not tell which disks {vm.name} has ({vm.unread})")
    # Without its host vCenter shows what it knew last.
    return Done() if vm.connected else InDoubt(_lost(vm))


def stamps(vm: VmId, epoch: Epoch) -> tuple[tuple[str, str], ...]:
    return ((EPOCH_KEY, str(epoch)), (VM_KEY, vm))


Decide = Callable[[Sequence[Vm], Place, Sequence[DiskId], VmId, Epoch], Step]


def allowed(
    decided: Decide,
    patterns: Sequence[str],
    look: tuple[Sequence[Vm], Place],
    disks: Sequence[DiskId],
    wanted: VmId,
    epoch: Epoch,
) -> Step:
    """As decided, but for an attach to a VM that the settings do not name (``patterns``)."""
    vms, place = look
    strange = foreign(patterns, wanted, names(vms, wanted)) if decided is to_attach else None
    if strange is not None:
        return refuse_all(disks, strange.why, strange.cure)
    return decided(vms, place, disks, wanted, epoch)


def attach_change(
    vm: Vm, wanted: VmId, epoch: Epoch, disks: Sequence[DiskId], slots: Sequence[Slot], place: Place
) -> Change:
    """
    One slot for each disk. The last one is noted on the VM, so that slots are used in turn.

    Pinned are also disks that are there without a pin, put there by hand: else nobody knows them once they are moved.
    Pins of disks that were taken away by hand go: else whatever comes into their slots counts as these disks, moved.
    """
    given = list(zip(disks, slots, strict=True))
    new = {(slot.bus, slot.unit): place.pin(disk) for disk, slot in given}
    pinning = pinned(vm, unpinned(vm, place) | new, (), outdated(vm, place), inherited=stamped_as_another(vm))
    extra = stamps(wanted, epoch) + (((SLOT_KEY, str(slots[-1])),) if slots else ()) + pinning
    add = tuple((str(disk), slot.controller, slot.unit) for disk, slot in given)
    return Change(vm.ref, vm.change_version, extra, add=add)


def detach_change(vm: Vm, wanted: VmId, epoch: Epoch, disks: Sequence[DiskId], place: Place) -> Change:
    here = ours(vm, place)
    taken = [place.pin(disk) for disk in disks]
    pinning = pinned(vm, {}, taken, outdated(vm, place), inherited=stamped_as_another(vm))
    return Change(
        vm.ref, vm.change_version, stamps(wanted, epoch) + pinning, remove=tuple(here[disk] for disk in disks)
    )


def fitting(vm: Vm, disks: Sequence[DiskId], per_controller: int) -> tuple[list[DiskId], list[Slot]]:
    """The disks for which there is room, with their slots."""
    slots = free_slots(vm, per_controller)[: len(disks)]
    return list(disks[: len(slots)]), slots

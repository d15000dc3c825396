"""
Making a disk larger while a VM has it: a reconfiguration, which the host tells the guest of.

The disk's own size as vCenter shows it decides whether anything is to be done, and what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from controller.model import DiskId
from drivers.base import Done, InDoubt, Outcome, Refused, Unreachable
from drivers.shared.faults import CallError, NotSent
from drivers.shared.outcomes import failure, not_begun
from drivers.vsphere.inventory import SUSPENDED, Disk, Place, Vm, odd, ours
from drivers.vsphere.requests import Change


class Calls(Protocol):
    """Each may raise `NotSent`, `Doubt` or `Fault`."""

    async def reconfigure(self, change: Change) -> None: ...

    async def vm(self, ref: str) -> Vm: ...


def holder(vms: Sequence[Vm], place: Place, disk: DiskId) -> Vm | Refused:
    """The VM that has the disk, or why the disk cannot become larger. Pure."""
    if (why := place.refusal(disk) or odd(vms, place).get(disk)) is not None:
        return Refused(why)
    found = [vm for vm in vms if disk in ours(vm, place)]
    if len(found) != 1:
        where = f"on {len(found)} VMs" if found else "on no VM"
        return Refused(
            f"{disk} is {where}, and vCenter makes a disk larger on the VM that has it: run a service that uses the "
            "volume and grow it then, or make the file larger on a host (vmkfstools -X), which is taken up"
        )
    return _changeable(found[0], ours(found[0], place)[disk])


def _changeable(vm: Vm, device: Disk) -> Vm | Refused:
    if not vm.readable or not vm.connected:
        return Refused(f"vCenter does not reach {vm.name} just now ({vm.unread or vm.connection})", 5.0)
    if vm.power == SUSPENDED:
        return Refused(f"{vm.name} is suspended, and its memory knows the disk's size: resume it first")
    if len(device.files) > 1:
        return Refused(f"the disk is under a snapshot of {vm.name}: delete the VM's snapshots first")
    return vm


async def enlarge(calls: Calls, vms: Sequence[Vm], place: Place, disk: DiskId, size: int) -> Outcome:
    """``size``: KiB. Done where the disk is that large already."""
    found = holder(vms, place, disk)
    if isinstance(found, Refused):
        return found
    try:
        now = holder([await calls.vm(found.ref)], place, disk)
    except CallError as error:
        return not_begun(error)
    if isinstance(now, Refused):
        return now
    device = ours(now, place)[disk]
    return Done() if device.capacity_kib >= size else await _enlarge(calls, now, place, disk, size)


async def _enlarge(calls: Calls, vm: Vm, place: Place, disk: DiskId, size: int) -> Outcome:
    result: Outcome | None = None
    try:
        await calls.reconfigure(Change(vm.ref, vm.change_version, (), grown=((ours(vm, place)[disk], size),)))
    except NotSent as error:
        return Unreachable(str(error))
    except CallError as error:
        result = failure(error)
    try:
        after = ours(await calls.vm(vm.ref), place).get(disk)
    except CallError as error:
        return result or InDoubt(f"{vm.name} was changed, but cannot be read back: {error}")
    have = 0 if after is None else after.capacity_kib
    return Done() if have >= size else result or InDoubt(f"{vm.name} still shows {disk} with {have} KiB, not {size}")

"""Changing one VM: reconfigure it, then believe only what its configuration shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Outcome, Refused, Unreachable
from drivers.vsphere import decide
from drivers.vsphere.calls import Calls
from drivers.vsphere.convert import Place, Vm, ours, stamp
from drivers.vsphere.decide import Step
from drivers.vsphere.faults import Doubt, Fault, Kind, NotSent
from drivers.vsphere.requests import Change
from drivers.vsphere.slots import missing_controllers

log = structlog.get_logger()
# After these the call may have had an effect on a host that vCenter lost meanwhile.
_IN_DOUBT = frozenset({Kind.HOST_LOST, Kind.CANCELED})
# After these the VM was not disturbed by the try.
_HARMLESS = frozenset({Kind.BUSY, Kind.HOST_AWAY, Kind.PERMISSION, Kind.STATE, Kind.NOT_AUTHENTICATED})


class Editor:
    """
    ``suspects`` counts refusals of disks that failed together or alone, in this process only: a disk that cannot be
    attached makes a whole call fail, so those that failed go one by one, those that failed least first.
    """

    def __init__(self, calls: Calls, per_controller: int) -> None:
        self._calls = calls
        self._per_controller = per_controller
        self.suspects: Counter[DiskId] = Counter()

    async def attach(self, step: Step, place: Place, vm: VmId, epoch: Epoch) -> dict[DiskId, Outcome]:
        outcomes = dict(step.known)
        if step.vm is None or not (step.todo or step.restamp):
            return outcomes
        view, failure = await self._room(step.vm, len(step.todo), vm, epoch)
        for batch in self._batches(step.todo):
            if failure is not None:
                outcomes |= dict.fromkeys(batch, failure)
                continue
            fits, slots = decide.fitting(view, batch, self._per_controller)
            outcomes |= dict.fromkeys(batch[len(fits) :], Refused(f"{view.name} has no free place for another disk"))
            result, view = await self._apply(view, decide.attach_change(view, vm, epoch, fits, slots))
            here = ours(view, place) if view.connected and stamp(view) == epoch else {}
            outcomes |= {disk: Done() if disk in here else result or _unseen(disk, view) for disk in fits}
            failure = result
            self._learn(fits, result)
        if step.restamp and stamp(view) != epoch:
            late = failure or InDoubt(f"{view.name} does not show the new epoch")
            outcomes |= {disk: late for disk, known in step.known.items() if isinstance(known, Done)}
        return outcomes

    async def detach(self, step: Step, place: Place, vm: VmId, epoch: Epoch) -> dict[DiskId, Outcome]:
        outcomes = dict(step.known)
        if step.vm is None or not step.todo:
            return outcomes
        change = decide.detach_change(step.vm, vm, epoch, step.todo, place)
        result, view = await self._apply(step.vm, change)
        here = ours(view, place)
        for disk in step.todo:
            still = result or InDoubt(f"{view.name} still shows {disk}")
            outcomes[disk] = still if disk in here else decide.gone(view)
        return outcomes

    async def _room(self, view: Vm, wanted: int, vm: VmId, epoch: Epoch) -> tuple[Vm, Outcome | None]:
        """Adds controllers in a call of their own: with a disk on it, adding one to a running VM can crash it."""
        buses = missing_controllers(view, wanted, self._per_controller)
        if not buses:
            return view, None
        log.info("controllers.added", vm=view.name, buses=buses, why=f"no room for {wanted} disks")
        change = Change(view.ref, view.change_version, decide.stamps(vm, epoch), controllers=buses)
        result, after = await self._apply(view, change)
        return after, result

    async def _apply(self, view: Vm, change: Change) -> tuple[Outcome | None, Vm]:
        """None when the task ended well; and the VM as it is now (as it was, if it cannot be read)."""
        result: Outcome | None = None
        try:
            await self._calls.reconfigure(change)
        except NotSent as error:
            return Unreachable(str(error)), view
        except Doubt as error:
            result = InDoubt(str(error))
        except Fault as fault:
            result = _outcome(fault)
        try:
            return result, await self._calls.vm(change.ref)
        except (NotSent, Doubt, Fault) as error:
            return result or InDoubt(f"{view.name} was changed, but cannot be read back: {error}"), view

    def _batches(self, todo: Sequence[DiskId]) -> list[list[DiskId]]:
        fresh = [disk for disk in todo if not self.suspects[disk]]
        alone = sorted((disk for disk in todo if self.suspects[disk]), key=lambda disk: self.suspects[disk])
        # An empty batch only stamps.
        return ([fresh] if fresh or not alone else []) + [[disk] for disk in alone]

    def _learn(self, disks: Sequence[DiskId], result: Outcome | None) -> None:
        for disk in disks:
            if result is None:
                self.suspects.pop(disk, None)
            elif isinstance(result, Refused) and result.retry_after is not None:
                self.suspects[disk] += 1


def _outcome(fault: Fault) -> Outcome:
    if fault.kind in _IN_DOUBT:
        return InDoubt(str(fault))
    return Refused(str(fault), None if fault.kind in _HARMLESS else decide.REFUSED_PAUSE)


def _unseen(disk: DiskId, view: Vm) -> Outcome:
    return InDoubt(f"the task ended, but {view.name} ({view.connection}) does not show {disk}")

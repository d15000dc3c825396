"""Changing one VM: reconfigure it, then believe only what its configuration shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Outcome, Refused
from drivers.shared.faults import CallError, NotSent
from drivers.shared.outcomes import failure
from drivers.vsphere import decide
from drivers.vsphere.decide import Step
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Place, Vm, ours, stamp
from drivers.vsphere.obstacles import Obstacles, sentences
from drivers.vsphere.requests import Change
from drivers.vsphere.slots import missing_controllers

log = structlog.get_logger()
# After these the VM was not disturbed by the try.
_HARMLESS = frozenset(
    {Kind.BUSY, Kind.HOST_AWAY, Kind.PERMISSION, Kind.STATE, Kind.NOT_AUTHENTICATED}
    | {Kind.DISABLED, Kind.LICENSE, Kind.INVALID, Kind.QUESTION}
)


class Calls(Protocol):
    """What an editor needs of vCenter; each may raise `NotSent`, `Doubt` or `Fault`."""

    async def reconfigure(self, change: Change) -> None: ...

    async def vm(self, ref: str) -> Vm: ...

    async def obstacles(self, refs: Sequence[str]) -> Mapping[str, Obstacles]: ...


@dataclass(frozen=True, slots=True)
class _Tried:
    """``result`` is None when the task ended well; ``vm`` as it is now (as it was, if it cannot be read)."""

    result: Outcome | None
    fault: Fault | None
    vm: Vm


@dataclass(frozen=True, slots=True)
class _Batch:
    """
    What became of the disks of one call. ``failed``: what ends the whole try. ``others`` may go in another call (it is
    no retry), without the disk that vCenter named.
    """

    view: Vm
    outcomes: dict[DiskId, Outcome]
    failed: Outcome | None
    others: tuple[DiskId, ...] = ()


class Editor:
    """
    ``suspects`` counts refusals of disks that failed together or alone, in this process only: a disk that cannot be
    attached makes a whole call fail, so those that failed go one by one, those that failed least first.
    ``saw`` is told each VM as it is read back.
    """

    def __init__(self, calls: Calls, per_controller: int, saw: Callable[[Vm], None] = lambda _: None) -> None:
        self._calls = calls
        self._saw = saw
        self._per_controller = per_controller
        self.suspects: Counter[DiskId] = Counter()

    async def attach(self, step: Step, place: Place, vm: VmId, epoch: Epoch) -> dict[DiskId, Outcome]:
        outcomes = dict(step.known)
        if step.vm is None or not (step.todo or step.restamp):
            return outcomes
        view, failed = await self._room(step.vm, len(step.todo), vm, epoch)
        batches = self._batches(step.todo)
        while batches:
            batch = batches.pop(0)
            if failed is not None:
                outcomes |= dict.fromkeys(batch, failed)
                continue
            tried = await self._attach(view, batch, place, vm, epoch)
            outcomes |= tried.outcomes
            view, failed = tried.view, tried.failed
            if tried.others:
                batches.insert(0, list(tried.others))
        return outcomes | _unstamped(step, view, epoch, failed)

    async def _attach(self, view: Vm, batch: Sequence[DiskId], place: Place, vm: VmId, epoch: Epoch) -> _Batch:
        fits, slots = decide.fitting(view, batch, self._per_controller)
        outcomes = dict[DiskId, Outcome]()
        outcomes |= dict.fromkeys(batch[len(fits) :], _full(view))
        tried = await self._apply(view, decide.attach_change(view, vm, epoch, fits, slots, place))
        view = tried.vm
        here = ours(view, place) if view.connected and stamp(view) == epoch else {}
        outcomes |= {disk: Done() if disk in here else tried.result or _unseen(disk, view) for disk in fits}
        self._learn(fits, tried.result)
        guilty = _guilty(tried.fault, fits)
        if guilty is None:
            return _Batch(view, outcomes, tried.result)
        return _Batch(view, outcomes, None, tuple(disk for disk in fits if disk != guilty))

    async def detach(self, step: Step, place: Place, vm: VmId, epoch: Epoch) -> dict[DiskId, Outcome]:
        outcomes = dict(step.known)
        if step.vm is None or not step.todo:
            return outcomes
        change = decide.detach_change(step.vm, vm, epoch, step.todo, place)
        tried = await self._apply(step.vm, change)
        view = tried.vm
        here = ours(view, place)
        for disk in step.todo:
            still = tried.result or InDoubt(f"{view.name} still shows {disk}")
            outcomes[disk] = still if disk in here else decide.gone(view)
        return outcomes

    async def _room(self, view: Vm, wanted: int, vm: VmId, epoch: Epoch) -> tuple[Vm, Outcome | None]:
        """Adds controllers in a call of their own: with a disk on it, adding one to a running VM can crash it."""
        buses = missing_controllers(view, wanted, self._per_controller)
        if not buses:
            return view, None
        log.info("controllers.added", vm=view.name, buses=buses, why=f"no room for {wanted} disks")
        change = Change(view.ref, view.change_version, decide.stamps(vm, epoch), controllers=buses)
        tried = await self._apply(view, change)
        return tried.vm, tried.result

    async def _apply(self, view: Vm, change: Change) -> _Tried:
        fault: Fault | None = None
        result: Outcome | None = None
        try:
            await self._calls.reconfigure(change)
        except NotSent as error:
            return _Tried(failure(error), None, view)
        except CallError as error:
            fault, result = error if isinstance(error, Fault) else None, await self._explained(view, _outcome(error))
        try:
            now = await self._calls.vm(change.ref)
            self._saw(now)
            return _Tried(result, fault, now)
        except CallError as error:
            blind = InDoubt(f"{view.name} was changed, but cannot be read back: {error}")
            return _Tried(result or blind, None, replace(view, connection="unread"))

    async def _explained(self, view: Vm, outcome: Outcome) -> Outcome:
        """With what is in the way: vCenter's own message seldom names it."""
        try:
            found = await self._calls.obstacles([view.ref])
        except CallError:
            return outcome
        said = sentences(view.name, found[view.ref]) if view.ref in found else ()
        if isinstance(outcome, Done) or not said:
            return outcome
        return replace(outcome, why="; ".join((outcome.why, *said)))

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


def _unstamped(step: Step, view: Vm, epoch: Epoch, failed: Outcome | None) -> dict[DiskId, Outcome]:
    """Disks that were there already, and should have got a newer stamp."""
    if not step.restamp or stamp(view) == epoch:
        return {}
    late = failed or InDoubt(f"{view.name} does not show the new epoch")
    return {disk: late for disk, known in step.known.items() if isinstance(known, Done)}


def _outcome(error: CallError) -> Outcome:
    outcome = failure(error)
    if isinstance(outcome, Refused) and isinstance(error, Fault) and error.kind not in _HARMLESS:
        return Refused(outcome.why, decide.REFUSED_PAUSE)
    return outcome


def _guilty(fault: Fault | None, disks: Sequence[DiskId]) -> DiskId | None:
    """The one disk because of which a call with many failed, if vCenter names it."""
    if fault is None:
        return None
    if fault.kind is Kind.NOT_FOUND and fault.file is not None:
        base = fault.file.rsplit("/", 1)[-1].replace("-flat.vmdk", ".vmdk")  # either of a disk's two files
        return next((disk for disk in disks if disk.rsplit("/", 1)[-1] == base), None)
    if fault.kind is Kind.DEVICE and fault.device is not None and 0 <= fault.device < len(disks):
        return disks[fault.device]
    return None


def _full(view: Vm) -> Refused:
    cure = f"Move a volume away from {view.name}, give it another SCSI controller while it is off, or drain its node."
    return Refused(f"{view.name} has no free place for another disk", cure=cure)


def _unseen(disk: DiskId, view: Vm) -> Outcome:
    return InDoubt(f"the task ended, but {view.name} ({view.connection}) does not show {disk}")

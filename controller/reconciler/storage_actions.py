"""
The actions that ask the storage: the intent before, the outcome after.

Before a call the intent is written by compare-and-set and leadership is read afresh; so whoever leads next finds the
intent, and we do not call after somebody else leads. A call has a deadline, after which it is in doubt
(ARCHITECTURE.md#the-laws, 3). Settled intents: see `history`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, assert_never

import structlog

from controller.model import (
    Epoch,
    Intent,
    Moment,
    Operation,
    Phase,
    Power,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import Attach, CreateDisk, DeleteDisk, Detach, Fence, NewEpoch
from controller.planner.plan import LONGEST
from controller.reconciler.history import ends_with, entry, evidence_entries
from controller.reconciler.record_changes import Change, created, record_of
from controller.reconciler.record_writer import PROGRESS, Broken, Changed, RecordWriter, Result, Setback, result
from controller.records.base import Acting
from controller.volumes.naming import disk_key, life_prefix
from drivers.base import (
    Attacher,
    Created,
    CreateOutcome,
    Done,
    DriverError,
    InDoubt,
    Outcome,
    PowerDriver,
    Refused,
    StorageDriver,
    Unreachable,
)

StorageAction = CreateDisk | DeleteDisk | Attach | Detach | Fence | NewEpoch

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. ``call``: for one changing call to the storage; ``clone``: if it copies a disk."""

    call: float = 60.0
    clone: float = 3600.0


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Never sent: this controller acts under a newer epoch of its own, for another volume."""

    why: str = "this controller acts under a newer epoch"


class Crashed(InDoubt):
    """The driver met a bug of its own, before or after it had asked the storage."""


NotAnswered = Unreachable | InDoubt | Overtaken


async def ask_storage(
    acting: Acting, epoch: Epoch, call: Callable[[], Awaitable[T]], good: Callable[[T], bool], deadline: float
) -> T | NotAnswered:
    """
    One call to the storage, if we still lead. ``good``: whether an answer is one that the contract knows.

    Whatever comes out of a driver beside that leaves open what it did: as after a deadline, the call is in doubt.
    """
    if not await acting.still_acting(epoch):
        if (acting.epoch or 0) > epoch:
            return Overtaken()
        return Unreachable("another controller, or another epoch, acts now")
    try:
        async with asyncio.timeout(deadline) as ends:
            answer = await call()
    except Exception as error:  # noqa: BLE001 -- see above
        if isinstance(error, TimeoutError) and ends.expired():
            return InDoubt(f"no answer within {deadline:g} s")
        _log.exception("internal.error", why="a driver met a bug; its call is in doubt", epoch=epoch)
        return Crashed(f"internal error in the driver ({type(error).__name__}: {error})"[:LONGEST])
    if not good(answer):
        _log.error("internal.error", why="a driver's answer breaks its contract; its call is in doubt")
        return Crashed(f"the driver's answer breaks its contract: {answer!r}"[:LONGEST])
    return answer


class StorageActions:
    def __init__(
        self,
        writer: RecordWriter,
        driver: StorageDriver,
        power: PowerDriver,
        acting: Acting,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._writer = writer
        self._driver = driver
        self._power = power
        self._acting = acting
        self._deadlines = deadlines if deadlines is not None else Deadlines()

    async def run(self, world: World, actions: Sequence[StorageAction]) -> Mapping[VolumeName, Result]:
        """One action, or several of one kind about the same VM. Raises RecordsUnavailable, also in groups."""
        first, volumes = actions[0], [each.volume for each in actions]
        match first:
            case Attach() | Detach():
                return await self._move(world, [each for each in actions if isinstance(each, Attach | Detach)])
            case Fence():
                return dict.fromkeys(volumes, await self._fence(world, first, volumes))
            case NewEpoch():
                return dict.fromkeys(volumes, await self._new_epoch())
            case CreateDisk():
                return {first.volume: await self._create(world, first)}
            case DeleteDisk():
                return {first.volume: await self._delete(world, first)}
            case _ as never:
                assert_never(never)

    async def _new_epoch(self) -> Result:
        return PROGRESS if await self._acting.new_epoch() else Changed("another controller acts now")

    async def _ask(
        self, world: World, call: Callable[[], Awaitable[T]], good: Callable[[T], bool], deadline: float | None = None
    ) -> T | NotAnswered:
        return await ask_storage(self._acting, world.epoch, call, good, deadline or self._deadlines.call)

    async def _move(self, world: World, actions: Sequence[Attach | Detach]) -> Mapping[VolumeName, Result]:
        """Attach or detach disks of one VM in one call."""
        intended = await _together(self._intend_move(world, each) for each in actions)
        pairs = list(zip(actions, intended, strict=True))
        stale: dict[VolumeName, Result] = {each.volume: end for each, end in pairs if isinstance(end, Changed)}
        going = {each: end for each, end in pairs if isinstance(end, VolumeRecord)}
        if not going:
            return stale
        outcomes = await self._ask(world, lambda: self._call_move(world, going), lambda it: _fit(it, len(going)))
        each_outcome = [outcomes] * len(going) if isinstance(outcomes, NotAnswered) else outcomes
        called = zip(going.values(), each_outcome, strict=True)
        ends = await _together(self._moved(world, record, outcome) for record, outcome in called)
        return stale | {each.volume: end for each, end in zip(going, ends, strict=True)}

    def _call_move(self, world: World, going: Mapping[Attach | Detach, VolumeRecord]) -> Awaitable[Sequence[Outcome]]:
        first, disks = next(iter(going)), [each.disk for each in going]
        if isinstance(first, Detach):
            return self._driver.detach(disks, first.vm, world.epoch)
        if isinstance(self._driver, Attacher):
            specs = {each.disk: record.spec for each, record in going.items()}
            return self._driver.attach_volumes(specs, first.vm, world.epoch)
        return self._driver.attach(disks, first.vm, world.epoch)

    async def _intend_move(self, world: World, action: Attach | Detach) -> VolumeRecord | Changed:
        record, at = record_of(world, action.volume), self._writer.wall()
        if isinstance(action, Attach):
            return await self._writer.intend(world, record, Intent(Operation.ATTACH, world.epoch, action.vm, at=at))
        proof = action.evidence
        if proof is None:
            return await self._writer.intend(world, record, Intent(Operation.DETACH, world.epoch, action.vm, at=at))
        told = evidence_entries(record, proof, world, at)
        intent = Intent(Operation.DETACH, world.epoch, action.vm, proof.kind, at)
        return await self._writer.intend(world, record, intent, told, action.drops)

    async def _moved(self, world: World, record: VolumeRecord, outcome: Outcome | NotAnswered) -> Result:
        if isinstance(outcome, Done):
            self._writer.done(record.name)
            return PROGRESS
        return await self._failed(world, record, outcome)

    async def _failed(self, world: World, record: VolumeRecord, outcome: Refused | NotAnswered) -> Result:
        """In doubt the intent stays, marked; what surely did not happen leaves none."""
        operation = "operation" if record.intent is None else record.intent.operation.value
        if isinstance(outcome, InDoubt):
            await self._writer.mark_doubt(world, record)
            return _doubted(f"{operation} is in doubt: {outcome.why}", outcome)
        await self._writer.restore_intent(world, record_of(world, record.name), record)
        if isinstance(outcome, Overtaken):
            return PROGRESS  # there is a new epoch: look again
        if isinstance(outcome, Refused):
            return Setback(f"the storage refused to {operation}: {outcome.why}", outcome.retry_after, outcome.cure)
        return Setback(f"the storage could not be asked to {operation}: {outcome.why}")

    async def _fence(self, world: World, action: Fence, volumes: Sequence[VolumeName]) -> Result:
        """
        Power one VM off, for all volumes that need it. What it did is seen by the next look, not here.

        Without an intent: whether the VM is off is read in each look, so an open one would add nothing but a doubt.
        """
        vm = action.vm
        why = f"power-off of VM {vm} asked for: {action.why}"
        told = entry(world, Moment.FENCED, why, self._writer.wall(), vm)
        untold = [record for each in volumes if not ends_with(record := record_of(world, each), told)]
        await _together(self._writer.write(world, Change(each, each, (told,))) for each in untold)
        power = await self._ask(world, lambda: self._power.power_off(vm), lambda it: isinstance(it, Power | Refused))
        match power:
            case Power.OFF:
                return PROGRESS
            case Overtaken():
                return PROGRESS
            case Unreachable() | InDoubt():
                return _doubted(f"power-off of VM {vm}: {power.why}", power)
            case Refused():
                return Setback(f"power-off of VM {vm} was refused: {power.why}", power.retry_after, power.cure)
            case Power():
                return Setback(f"power-off of VM {vm}: VM {vm} was not seen off afterwards")
            case _ as never:
                assert_never(never)

    async def _create(self, world: World, action: CreateDisk) -> Result:
        found, at = record_of(world, action.volume), self._writer.wall()
        record = await self._writer.intend(world, found, Intent(Operation.CREATE, world.epoch, at=at))
        if isinstance(record, Changed):
            return record
        copies = record.spec.source is not None and record.phase is not Phase.DELETING
        deadline = self._deadlines.clone if copies else self._deadlines.call
        outcome = await self._ask(world, lambda: self._made(record), lambda it: isinstance(it, CreateOutcome), deadline)
        if not isinstance(outcome, Created):
            return await self._failed(world, record, outcome)
        return result(await self._writer.write(world, created(world, record, outcome.disk, self._writer.wall())))

    async def _made(self, record: VolumeRecord) -> CreateOutcome:
        key = disk_key(record.key, record.fs_uuid)
        refusal = await self._earlier_life(record, key)
        if refusal is not None:
            return refusal
        # A copy that is to be deleted need not be whole: its name is all that is missing.
        source = None if record.phase is Phase.DELETING else record.spec.source
        if source is None:
            return await self._driver.create(key, record.spec)
        return await self._driver.clone(key, record.spec, source.disk)

    async def _earlier_life(self, record: VolumeRecord, key: VolumeKey) -> Refused | Unreachable | None:
        """
        Why no disk may be made now: there is one of a volume of this name that the records know nothing of.

        They came from an old backup, or the swarm was made anew. A container must not start on an empty volume while
        its data is still there (ARCHITECTURE.md#the-laws, 5).
        """
        try:
            found = await self._driver.keys(life_prefix(record.key))
        except DriverError as error:
            return Unreachable(str(error))
        others = [each for each in found if each != key]
        if not others:
            return None
        return Refused(
            f"there is a disk {', '.join(others)} of an earlier volume {record.name} that this swarm has no record of, "
            "and it may hold its data",
            cure=f"To have that data again: `reberth adopt {record.name} --disk {others[-1]}`, if no other swarm uses "
            "it. To begin with an empty volume, rename that disk in the storage system, on the same condition; never "
            "delete it before you know whose it is: two swarms in one folder are each other's earlier life.",
        )

    async def _delete(self, world: World, action: DeleteDisk) -> Result:
        found = record_of(world, action.volume)
        disk = found.disk
        if disk is None:
            await self._writer.delete(found)
            return PROGRESS
        intent = Intent(Operation.DELETE, world.epoch, at=self._writer.wall())
        record = await self._writer.intend(world, found, intent)
        if isinstance(record, Changed):
            return record
        outcome = await self._ask(world, lambda: self._driver.delete(disk), lambda it: isinstance(it, Outcome))
        if not isinstance(outcome, Done):
            return await self._failed(world, record, outcome)
        await self._writer.delete(record)
        return PROGRESS


def _doubted(why: str, outcome: Unreachable | InDoubt) -> Result:
    return Broken(why) if isinstance(outcome, Crashed) else Setback(why, unanswered=isinstance(outcome, InDoubt))


def _fit(outcomes: Sequence[Outcome], many: int) -> bool:
    """One for each disk."""
    return len(outcomes) == many and all(isinstance(each, Outcome) for each in outcomes)


async def _together(calls: Iterable[Coroutine[None, None, T]]) -> Sequence[T]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in calls]
    return [each.result() for each in tasks]

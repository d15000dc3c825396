"""
One decision -> records and storage: the intent before, the outcome after.

Before a call to the storage the intent is written by compare-and-set and leadership is read afresh; so whoever leads
next finds the intent, and we do not call after somebody else leads. A call has a deadline, after which it is in
doubt (law 3). Nothing is retried here: the loop looks again. Settled intents: see `journal`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from controller.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    CreateDisk,
    DeleteDisk,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    NewEpoch,
    Refuse,
    Revoke,
    Wait,
)
from controller.board import kind
from controller.journal import evidence_entry, hostname, settled
from controller.model import (
    DiskId,
    Epoch,
    HistoryEntry,
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
from controller.names import disk_key, life_prefix
from controller.records import RecordsUnavailable
from controller.scribe import PROGRESS, Changed, Result, Scribe, Setback, record_of, result
from drivers.base import Created, Done, DriverError, InDoubt, Outcome, Refused, StorageDriver, Unreachable


class Lead(Protocol):
    """Whether we act. ``epoch`` is None when we do not."""

    @property
    def epoch(self) -> Epoch | None: ...

    async def still_acting(self, epoch: Epoch) -> bool:
        """Read afresh from Swarm's Raft. Raises RecordsUnavailable."""
        ...

    async def new_epoch(self) -> bool:
        """Take the next epoch although we act. False when somebody else acts by now. Raises RecordsUnavailable."""
        ...


class Executor:
    """``call_deadline``: seconds for one changing call to the storage; ``clone_deadline``: if it copies a disk."""

    def __init__(
        self, scribe: Scribe, driver: StorageDriver, lead: Lead, call_deadline: float, clone_deadline: float = 3600.0
    ) -> None:
        self._scribe = scribe
        self._driver = driver
        self._lead = lead
        self._call_deadline = call_deadline
        self._clone_deadline = clone_deadline
        self._unmarked_doubt = False  # a call is in doubt and the record could not be told

    async def run(self, world: World, actions: Sequence[Action]) -> Mapping[VolumeName, Result]:
        """
        Do actions that go together: one action, or several of one kind about the same VM (attach, detach, fence).

        Raises nothing but bugs.
        """
        try:
            return await self._run(world, actions)
        except* RecordsUnavailable as errors:
            why = "; ".join(sorted({str(error) for error in _leaves(errors)}))
        return {each.volume: Setback(f"the records: {why}") for each in actions}

    async def _run(self, world: World, actions: Sequence[Action]) -> Mapping[VolumeName, Result]:
        first = actions[0]
        if self._unmarked_doubt:
            self._unmarked_doubt = not await self._lead.new_epoch()
            return {each.volume: Changed("a call was in doubt, so a new epoch came first") for each in actions}
        match first:
            case Attach() | Detach():
                return await self._move(world, [each for each in actions if isinstance(each, Attach | Detach)])
            case Fence():
                return await self._fence(world, [each for each in actions if isinstance(each, Fence)])
            case NewEpoch():
                taken = await self._lead.new_epoch()
                ended: Result = PROGRESS if taken else Changed("another controller acts now")
                return {each.volume: ended for each in actions}
            case _:
                return {first.volume: await self._single(world, first)}

    async def _single(self, world: World, action: Action) -> Result:
        match action:
            case CreateDisk():
                return await self._create(world, action)
            case DeleteDisk():
                return await self._delete(world, action)
            case Revoke():
                return await self._scribe.revoke(world, action)
            case DropGrants():
                return await self._scribe.drop(world, action)
            case GrantMount():
                return await self._scribe.grant(world, action)
            case Wait() | Refuse() | Alarm() | Converged():
                return await self._scribe.tidy(world, action.volume)
            case Attach() | Detach() | Fence() | NewEpoch():
                msg = f"{kind(action)} is done in groups"
                raise TypeError(msg)
            case _ as never:
                assert_never(never)

    async def _ask(
        self, world: World, call: Callable[[], Awaitable[Sequence[Outcome]]], many: int, deadline: float | None = None
    ) -> Sequence[Outcome]:
        """One call to the storage, if we still lead."""
        deadline = deadline or self._call_deadline
        if not await self._lead.still_acting(world.epoch):
            return [Unreachable("another controller, or another epoch, acts now")] * many
        try:
            async with asyncio.timeout(deadline):
                return await call()
        except TimeoutError:
            return [InDoubt(f"no answer within {deadline:g} s")] * many

    async def _move(self, world: World, actions: Sequence[Attach | Detach]) -> Mapping[VolumeName, Result]:
        """Attach or detach disks of one VM in one call."""
        async with asyncio.TaskGroup() as group:
            writes = [group.create_task(self._intend_move(world, each)) for each in actions]
        pairs = [(each, write.result()) for each, write in zip(actions, writes, strict=True)]
        stale: dict[VolumeName, Result] = {each.volume: end for each, end in pairs if isinstance(end, Changed)}
        going = [(each, end) for each, end in pairs if isinstance(end, VolumeRecord)]
        if not going:
            return stale
        disks, vm = [each.disk for each, _ in going], actions[0].vm
        method = self._driver.attach if isinstance(actions[0], Attach) else self._driver.detach
        outcomes = await self._ask(world, lambda: method(disks, vm, world.epoch), len(going))
        async with asyncio.TaskGroup() as group:
            ends = [
                group.create_task(self._ended(world, record, outcome))
                for (_, record), outcome in zip(going, outcomes, strict=True)
            ]
        return stale | {each.volume: end.result() for (each, _), end in zip(going, ends, strict=True)}

    async def _intend_move(self, world: World, action: Attach | Detach) -> VolumeRecord | Changed:
        record, at = record_of(world, action.volume), self._scribe.wall()
        if isinstance(action, Attach):
            return await self._scribe.intend(world, record, Intent(Operation.ATTACH, world.epoch, action.vm, at=at))
        proof = action.evidence
        if proof is None:
            return await self._scribe.intend(world, record, Intent(Operation.DETACH, world.epoch, action.vm, at=at))
        entry = evidence_entry(record, proof, world.epoch, hostname(world, action.vm), at)
        intent = Intent(Operation.DETACH, world.epoch, action.vm, proof.kind, at)
        return await self._scribe.intend(world, record, intent, entry)

    async def _ended(self, world: World, record: VolumeRecord, outcome: Outcome) -> Result:
        if isinstance(outcome, Done):
            self._scribe.done(record.name)
            return PROGRESS
        return await self._failed(world, record, outcome)

    async def _failed(self, world: World, record: VolumeRecord, outcome: Refused | Unreachable | InDoubt) -> Result:
        """In doubt the intent stays, marked; what surely did not happen leaves none."""
        operation = "operation" if record.intent is None else record.intent.operation.value
        if isinstance(outcome, InDoubt):
            await self._mark_doubt(world, record)
            return Setback(f"{operation} is in doubt: {outcome.why}")
        await self._scribe.forget_intent(world, record_of(world, record.name), record)
        if isinstance(outcome, Refused):
            return Setback(f"the storage refused to {operation}: {outcome.why}", outcome.retry_after)
        return Setback(f"the storage could not be asked to {operation}: {outcome.why}")

    async def _mark_doubt(self, world: World, record: VolumeRecord) -> None:
        """
        The list may soon agree with this intent because of an older call, and ours may still come: so it is noted.

        A doubt that cannot be noted makes us take a new epoch before anything else. If we die, the next leader does.
        """
        if record.intent is None:
            return
        self._unmarked_doubt = True
        marked = replace(record, intent=replace(record.intent, in_doubt=True))
        self._unmarked_doubt = isinstance(await self._scribe.write(world, record, marked), Changed)

    async def _fence(self, world: World, actions: Sequence[Fence]) -> Mapping[VolumeName, Result]:
        """
        Power one VM off, for all volumes that need it. What it did is seen by the next look, not here.

        Without an intent: whether the VM is off is read in each look, so an open one would add nothing but a doubt.
        """
        vm, why = actions[0].vm, actions[0].why
        entry = self._scribe.entry(world, Moment.FENCED, f"power-off of VM {vm} asked for: {why}", vm)
        async with asyncio.TaskGroup() as group:
            for record in (record_of(world, each.volume) for each in actions):
                if not _noted(record, entry):
                    group.create_task(self._scribe.write(world, record, record, entry))

        async def switch_off() -> Sequence[Outcome]:
            power = await self._driver.power_off(vm)
            return [Done() if power is Power.OFF else InDoubt(f"VM {vm} was not seen off afterwards")]

        (outcome,) = await self._ask(world, switch_off, 1)
        ended: Result = PROGRESS if isinstance(outcome, Done) else Setback(f"power-off of VM {vm}: {outcome.why}")
        return {each.volume: ended for each in actions}

    async def _create(self, world: World, action: CreateDisk) -> Result:
        found = record_of(world, action.volume)
        record = await self._scribe.intend(world, found, Intent(Operation.CREATE, world.epoch, at=self._scribe.wall()))
        if isinstance(record, Changed):
            return record
        disks: list[DiskId] = []
        key = disk_key(record.key, record.fs_uuid)
        # A copy that is to be deleted need not be whole: its name is all that is missing.
        source = None if record.phase is Phase.DELETING else record.spec.source

        async def create() -> Sequence[Outcome]:
            refusal = await self._earlier_life(record, key)
            if refusal is not None:
                return [refusal]
            if source is None:
                outcome = await self._driver.create(key, record.spec)
            else:
                outcome = await self._driver.clone(key, record.spec, source.disk)
            if not isinstance(outcome, Created):
                return [outcome]
            disks.append(outcome.disk)
            return [Done()]

        (outcome,) = await self._ask(world, create, 1, None if source is None else self._clone_deadline)
        if not isinstance(outcome, Done):
            return await self._failed(world, record, outcome)
        phase = Phase.READY if record.phase is Phase.CREATING else record.phase
        origin = "" if source is None else f", a copy of volume {source.volume}"
        entry = self._scribe.entry(world, Moment.CREATED, f"disk {disks[0]}, {record.spec.size_bytes} bytes{origin}")
        change = replace(record, disk=disks[0], phase=phase, intent=None)
        return result(await self._scribe.write(world, record, change, entry))

    async def _earlier_life(self, record: VolumeRecord, key: VolumeKey) -> Refused | Unreachable | None:
        """
        Why no disk may be made now: there is one of a volume of this name that the records know nothing of.

        They came from an old backup, or the swarm was made anew. A container must not start on an empty volume while
        its data is still there (law 5).
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
            "and it may hold its data. Restore the swarm's backup; or, to begin with an empty volume, rename or delete "
            "that disk in the storage system"
        )

    async def _delete(self, world: World, action: DeleteDisk) -> Result:
        found = record_of(world, action.volume)
        disk = found.disk
        if disk is None:
            await self._scribe.delete(found)
            return PROGRESS
        record = await self._scribe.intend(world, found, Intent(Operation.DELETE, world.epoch, at=self._scribe.wall()))
        if isinstance(record, Changed):
            return record

        async def delete() -> Sequence[Outcome]:
            return [await self._driver.delete(disk)]

        (outcome,) = await self._ask(world, delete, 1)
        if not isinstance(outcome, Done):
            return await self._failed(world, record, outcome)
        await self._scribe.delete(record)
        return PROGRESS


def needs_tidying(record: VolumeRecord, world: World) -> bool:
    """A settled intent that no write replaces soon. A detach may be what the evidence about a grant rests on."""
    detaching = record.intent is not None and record.intent.operation is Operation.DETACH
    return settled(record, world) and not (detaching and record.grants)


def _noted(record: VolumeRecord, entry: HistoryEntry) -> bool:
    """Whether the newest entry says the same: a fence that has to be repeated is one story."""
    newest = record.history[-1] if record.history else None
    return newest is not None and (newest.moment, newest.node) == (entry.moment, entry.node)


def _leaves(errors: BaseExceptionGroup[RecordsUnavailable]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found

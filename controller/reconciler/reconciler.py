"""
The loop: woken -> look -> plan -> act, and look again as soon as something was done.

One operation for each volume at a time, volumes in parallel. A volume whose operation was under way when a look
began is left out of the decisions of that look: what was seen of it may be half of the truth. Only this loop retries,
after a growing time with jitter, kept for each volume and action. It sleeps only when nothing can be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from controller.model import Epoch, Policy, VmId, VolumeName, World
from controller.planner.actions import Action, Alarm, Attach, Detach, Fence, NewEpoch
from controller.planner.context import WorldIndex, index_world
from controller.planner.placement import Placement
from controller.planner.plan import INTERNAL, LONGEST, Decision
from controller.planner.rules import RULES
from controller.reconciler.decision_log import DecisionLog
from controller.reconciler.executor import Executor, needs_tidying
from controller.reconciler.nodes.housekeeping import Housekeeping
from controller.reconciler.nodes.label_writer import LabelWriter
from controller.reconciler.observer import Observer
from controller.reconciler.pace import Attempts, Attention, Backoff, Pace, part
from controller.reconciler.record_writer import Broken, Result
from controller.reconciler.state import LoopState, Observation
from controller.reconciler.turns import Turns
from controller.records.base import Acting, Records, RecordsUnavailable
from controller.records.epochs import above_ours

BETWEEN_RISES = 10.0  # seconds: a gate that says ever higher epochs must not make all others wait

Planner = Callable[[WorldIndex, Mapping[VolumeName, Decision]], Sequence[Decision]]  # and the last look's

_log = structlog.get_logger(__name__)


class Counted(Protocol):
    """Counts what was done, for people who watch."""

    def looked(self, seconds: float) -> None: ...

    def operated(self, action: str, end: str, seconds: float) -> None: ...


class Uncounted:
    def looked(self, seconds: float) -> None:
        pass

    def operated(self, action: str, end: str, seconds: float) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop joins. ``executor``: None without a storage driver: then nothing can be done."""

    observer: Observer
    planner: Planner
    policy: Policy
    executor: Executor | None
    acting: Acting
    records: Records
    state: LoopState
    pace: Pace = field(default_factory=Pace)
    counted: Counted = field(default_factory=Uncounted)
    labels: LabelWriter | None = None


class Reconciler:
    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._state = parts.state
        self._clock = parts.state.clock
        self._attempts = Attempts(parts.pace, parts.state)
        self._attention = Attention(parts.pace, parts.state.clock)
        self._turns = Turns(parts.pace, parts.state.clock, parts.state.wakeup)
        self._housekeeping = Housekeeping(parts.records)
        self._risen = -BETWEEN_RISES
        self._used: Epoch | None = None  # under which something may have been done
        self._busy: set[VolumeName] = set()
        self._busy_vms: set[VmId] = set()
        self._next_look = 0.0
        self._term: Epoch | None = None
        self._planned: Mapping[VolumeName, Decision] = {}
        self._closing = False
        self._news = DecisionLog(parts.state.clock)

    async def drain(self, seconds: float) -> None:
        """Start nothing more, and give what is under way so long to end. What does not is found by its intent."""
        self._closing = True
        ends = self._clock() + seconds
        while self._busy and self._clock() < ends:
            await self._state.changed.wait(0.1)

    async def run(self) -> None:
        """
        For ever. A look that fails as nobody expected is told, and the next one tried: if none succeeds, the health
        check says so, and Swarm starts another process.
        """
        async with asyncio.TaskGroup() as operations:
            while True:
                try:
                    await self.cycle(operations)
                except Exception:  # noqa: BLE001 -- see above
                    _log.exception("internal.error", why="a look failed", epoch=self._term)
                    self._next_look = self._clock() + self._p.pace.attentive
                why = await self._state.wakeup.wait(max(0.0, self._next_look - self._clock()))
                if why is not None:
                    await self._turns.wait(self._next_look)
                _log.debug("look.begins", why=why or "it is time")

    async def cycle(self, operations: asyncio.TaskGroup) -> None:
        """One look, one plan; the operations that follow run in ``operations``."""
        self._turns.begin()
        epoch = self._p.acting.epoch
        self._enter_term(epoch)
        if epoch is None:
            self._next_look = self._clock() + self._p.pace.resync
            return
        number = self._state.begin()
        busy, busy_vms, began = set(self._busy), set(self._busy_vms), self._clock()
        acting = self._p.acting
        world = self._state.as_known(await self._p.observer.look(epoch, acting.paused, acting.paused_parts))
        self._p.counted.looked(self._clock() - began)
        if self._p.acting.epoch != epoch:
            self._next_look = self._clock()
            return
        if await self._rise(world):
            return
        index, made = self._plan(world)
        planned = self._planned = {each.volume: each for each in made}
        decisions = {
            name: self._state.decisions.get(name, decision) if name in busy else self._as_told(decision)
            for name, decision in planned.items()
        }
        self._news.tell(self._state.decisions, decisions, world)
        self._state.publish(Observation(number, began, self._state.wall(), world), decisions)
        free = [each.action for each in planned.values() if _at_work(each, busy)]
        telling = self._tell_swarm(operations, index, began)
        for group in self._due(world, free, busy_vms):
            self._start(operations, world, group)
        operations.create_task(self._housekeeping.run(world, self._state.wall()))
        self._attempts.keep(decisions)
        self._next_look = self._clock() + self._rest(decisions.values(), telling=telling)

    def _enter_term(self, epoch: Epoch | None) -> None:
        if epoch is None or (self._term is not None and epoch > self._term + 1):
            self._forget()  # somebody else acted in between, or does now
        if epoch is not None:
            self._term = epoch

    def _rest(self, decisions: Iterable[Decision], *, telling: bool) -> float:
        """Seconds until the next look, if nothing wakes the loop before."""
        waits = [self._attention.seconds(decisions), self._attempts.next_in()]
        waits += [] if self._p.observer.again is None else [self._p.observer.again]
        waits += [self._p.pace.attentive] if telling else []
        return max(0.01, min(waits))

    def _tell_swarm(self, operations: asyncio.TaskGroup, index: WorldIndex | None, began: float) -> bool:
        """Whether a node's label is being changed."""
        labels = self._p.labels
        return labels is not None and index is not None and not self._closing and labels.begin(operations, index, began)

    async def _rise(self, world: World) -> bool:
        """Above an epoch that was met and that no leader of this swarm has: see `epochs`."""
        met, now = above_ours(world, unused=world.epoch != self._used), self._clock()
        if met is None and None not in (world.attachments, world.volumes):
            self._used = world.epoch
        if met is None or world.paused is not None or now < self._risen + BETWEEN_RISES:
            return False
        self._risen = now
        try:
            risen = await self._p.acting.new_epoch(met)
        except RecordsUnavailable as error:
            _log.warning("epoch.not_raised", met=met, why=str(error))
            return False
        if risen:
            _log.warning("epoch.raised", met=met, why="the records are from a backup, or the swarm was made anew")
            self._term = self._p.acting.epoch  # nobody acted in between: what the gates said counts on
        self._next_look = self._clock()
        return True

    def _plan(self, world: World) -> tuple[WorldIndex | None, Sequence[Decision]]:
        """
        The World is joined once a look. A bug that is not about one volume holds all of them; it does not end the
        controller.
        """
        index = None
        try:
            index = index_world(world, self._p.policy, RULES)
            return index, self._p.planner(index, self._planned)
        except Exception as error:  # noqa: BLE001 -- whoever waits is told, and the API lives
            _log.exception("internal.error", why="no decision could be made", epoch=self._term)
            why = f"internal error while the decisions were made ({type(error).__name__}: {error})"[:LONGEST]
            return index, [Decision(name, None, Alarm(name, why, INTERNAL)) for name in sorted(world.volumes or {})]

    def _as_told(self, decision: Decision) -> Decision:
        """What fails again and again is not under way: a person is told what was answered."""
        told = self._attempts.as_told(decision.action)
        return decision if told is decision.action else replace(decision, action=told)

    def _forget(self) -> None:
        """What gates said to us does not count for a later term of ours: see World."""
        if self._term is not None:
            self._state.gates.forget()
            self._state.forget()
            self._attempts.clear()
            self._term = None

    def _due(self, world: World, actions: Iterable[Action], busy_vms: set[VmId]) -> list[list[Action]]:
        """What is to be started now, in groups that are one call."""
        groups: dict[object, list[Action]] = {}
        for action in actions:
            if action.quiet:
                record = (world.volumes or {}).get(action.volume)
                if record is not None and world.paused is None and needs_tidying(record, world):
                    groups[action.volume] = [action]
                continue
            vm = self._shared_vm(action)
            failed = self._attempts.failed(action)
            if self._early(failed) or (vm is not None and vm in busy_vms | self._busy_vms):
                continue
            groups.setdefault(self._group(action, vm, failed), []).append(action)
        return [*groups.values()]

    def _shared_vm(self, action: Action) -> VmId | None:
        """The VM that takes one call at a time, with as many disks as there are."""
        if isinstance(action, Fence) or (self._p.policy.capabilities.batch and isinstance(action, Attach | Detach)):
            return action.vm
        return None

    def _early(self, failed: Backoff | None) -> bool:
        return failed is not None and failed.until > self._clock()

    def _group(self, action: Action, vm: VmId | None, failed: Backoff | None) -> object:
        """What met a bug goes alone."""
        if failed is not None and isinstance(failed.result, Broken):
            return action.volume
        if vm is not None:
            return type(action), vm, part(action.volume, failed)
        return NewEpoch if isinstance(action, NewEpoch) else action.volume

    def _start(self, operations: asyncio.TaskGroup, world: World, group: Sequence[Action]) -> None:
        vm = self._shared_vm(group[0])
        if self._closing or self._p.executor is None or (vm is not None and vm in self._busy_vms):
            return
        self._busy |= {each.volume for each in group}
        if vm is not None:
            self._busy_vms.add(vm)
        operations.create_task(self._operate(self._p.executor, world, group, vm))

    async def _operate(self, executor: Executor, world: World, group: Sequence[Action], vm: VmId | None) -> None:
        began = self._clock()
        results = await self._carry_out(executor, world, group)
        self._busy -= {each.volume for each in group}
        if vm is not None:
            self._busy_vms.discard(vm)
        for action in group:
            self._attempts.learn(action, results[action.volume])
            end = type(results[action.volume]).__name__.lower()
            self._p.counted.operated(action.kind, end, self._clock() - began)
        self._turns.end()
        self._state.wakeup(f"{group[0].kind} ended")

    async def _carry_out(
        self, executor: Executor, world: World, group: Sequence[Action]
    ) -> Mapping[VolumeName, Result]:
        """One volume's bug is that volume's alarm. What went together goes alone the next time."""
        try:
            return await executor.run(world, group)
        except Exception as error:  # noqa: BLE001 -- the other volumes go on
            what, names = group[0].kind, [each.volume for each in group]
            _log.exception("internal.error", why=f"{what} met a bug", volumes=names, epoch=self._term)
            told = f"internal error in {what} ({type(error).__name__}: {error})"[:LONGEST]
            return dict.fromkeys(names, Broken(told))


def _at_work(decision: Decision, busy: AbstractSet[VolumeName]) -> bool:
    """Of a volume that a person has paused not even the record is tidied up."""
    return decision.placement is not Placement.PAUSED and decision.volume not in busy

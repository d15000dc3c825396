"""
The loop: poked -> look -> plan -> act, and look again as soon as something was done.

One operation for each volume at a time, volumes in parallel. A volume whose operation was under way when a look
began is left out of the decisions of that look: what was seen of it may be half of the truth. Only this loop retries,
after a growing time with jitter, kept for each volume and action. It sleeps only when nothing can be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from controller.actions import Action, Alarm, Attach, Converged, Detach, Fence, NewEpoch, Wait
from controller.board import Board, Look, Poke, kind, quiet, reason, same_decision
from controller.execute import Executor, Lead, needs_tidying
from controller.gates import Gates
from controller.invariants import violations
from controller.model import Epoch, NodeState, Policy, VmId, VolumeName, World
from controller.observe import Observer
from controller.records import Records, RecordsUnavailable
from controller.scribe import Changed, Progress, Result, Setback

Planner = Callable[[World, Policy], Sequence[Action]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Seconds. ``resync``: between looks when all is well; ``attentive``: while something is awaited;
    ``backoff``: after a first failure, doubled with each up to ``backoff_limit``.
    """

    resync: float = 15.0
    attentive: float = 1.0
    backoff: float = 0.5
    backoff_limit: float = 30.0


@dataclass(slots=True)
class Backoff:
    """When the same action may be tried again. Another action for the volume is not held back."""

    action: tuple[type[Action], VmId | None]
    failures: int
    until: float


class Watched(Protocol):
    """What the loop needs to know about who leads."""

    @property
    def epoch(self) -> Epoch | None: ...

    @property
    def paused(self) -> str | None: ...


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
    """What the loop joins. ``jitter`` gives a factor near 1, so that many volumes do not retry in step."""

    observer: Observer
    planner: Planner
    policy: Policy
    executor: Executor | None  # None without a storage driver: then nothing can be done
    lead: Watched
    records: Records
    gates: Gates
    board: Board
    poke: Poke
    clock: Callable[[], float]
    wall: Callable[[], float]
    jitter: Callable[[], float]
    pace: Pace = field(default_factory=Pace)
    counted: Counted = field(default_factory=Uncounted)


class Reconciler:
    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._busy: set[VolumeName] = set()
        self._busy_vms: set[VmId] = set()
        self._backoffs: dict[VolumeName, Backoff] = {}
        self._next_look = 0.0
        self._term: Epoch | None = None
        self._closing = False
        self._violations: frozenset[str] = frozenset()

    async def drain(self, seconds: float) -> None:
        """Start nothing more, and give what is under way so long to end. What does not is found by its intent."""
        self._closing = True
        ends = self._p.clock() + seconds
        while self._busy and self._p.clock() < ends:
            await self._p.board.changed.wait(0.1)

    async def run(self) -> None:
        """For ever. An exception that nobody expected ends it, and the process with it: Swarm starts another."""
        async with asyncio.TaskGroup() as operations:
            while True:
                await self.cycle(operations)
                why = await self._p.poke.wait(max(0.0, self._next_look - self._p.clock()))
                _log.debug("look.begins", why=why)

    async def cycle(self, operations: asyncio.TaskGroup) -> None:
        """One look, one plan; the operations that follow run in ``operations``."""
        epoch = self._p.lead.epoch
        if epoch is None or (self._term is not None and epoch > self._term + 1):
            self._forget()  # somebody else acted in between, or does now
        if epoch is None:
            self._next_look = self._p.clock() + self._p.pace.resync
            return
        self._term = epoch
        number = self._p.board.begin()
        busy, busy_vms, began = set(self._busy), set(self._busy_vms), self._p.clock()
        world = await self._p.observer.look(epoch, self._p.lead.paused)
        self._p.counted.looked(self._p.clock() - began)
        if self._p.lead.epoch != epoch:
            self._next_look = self._p.clock()
            return
        planned = {each.volume: each for each in self._p.planner(world, self._p.policy)}
        decisions = {
            name: self._p.board.decisions.get(name, action) if name in busy else action
            for name, action in planned.items()
        }
        self._say(decisions)
        self._judge(world)
        self._p.board.publish(Look(number, began, self._p.wall(), world), decisions)
        free = [action for name, action in planned.items() if name not in busy]
        for group in self._due(world, free, busy_vms):
            self._start(operations, world, group)
        operations.create_task(self._housekeep(world))
        self._next_look = self._p.clock() + self._sleep(free)

    def _forget(self) -> None:
        """What gates said to us does not count for a later term of ours: see World."""
        if self._term is not None:
            self._p.gates.forget()
            self._p.board.forget()
            self._backoffs.clear()
            self._term = None

    def _due(self, world: World, actions: Iterable[Action], busy_vms: set[VmId]) -> list[list[Action]]:
        """What is to be started now, in groups that are one call."""
        groups: dict[object, list[Action]] = {}
        for action in actions:
            if quiet(action):
                record = (world.volumes or {}).get(action.volume)
                if record is not None and world.paused is None and needs_tidying(record, world):
                    groups[action.volume] = [action]
                continue
            vm = self._shared_vm(action)
            if self._held_back(action) or (vm is not None and vm in busy_vms | self._busy_vms):
                continue
            groups.setdefault(self._group(action), []).append(action)
        return [*groups.values()]

    def _shared_vm(self, action: Action) -> VmId | None:
        """The VM that takes one call at a time, with as many disks as there are."""
        if isinstance(action, Fence) or (self._p.policy.capabilities.batch and isinstance(action, Attach | Detach)):
            return action.vm
        return None

    def _group(self, action: Action) -> object:
        vm = self._shared_vm(action)
        if vm is not None:
            return type(action), vm
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
        began = self._p.clock()
        try:
            results = await executor.run(world, group)
        finally:
            self._busy -= {each.volume for each in group}
            if vm is not None:
                self._busy_vms.discard(vm)
        for action in group:
            self._learn(action, results[action.volume])
            end = type(results[action.volume]).__name__.lower()
            self._p.counted.operated(kind(action), end, self._p.clock() - began)
        self._p.poke(f"{kind(group[0])} ended")

    def _learn(self, action: Action, result: Result) -> None:
        volume, pace = action.volume, self._p.pace
        if isinstance(result, Progress):
            self._backoffs.pop(volume, None)
            self._p.board.setbacks.pop(volume, None)
            return
        key = _key(action)
        before = self._backoffs.get(volume)
        failures = before.failures + 1 if before is not None and before.action == key else 1
        if isinstance(result, Changed) and failures == 1:
            self._backoffs[volume] = Backoff(key, failures, self._p.clock())  # nothing is wrong: look, and go on
            return
        seconds = min(pace.backoff * 2 ** (failures - 1), pace.backoff_limit) * self._p.jitter()
        asked = result.retry_after if isinstance(result, Setback) else None
        wait = max(seconds, asked or 0.0)
        self._backoffs[volume] = Backoff(key, failures, self._p.clock() + wait)
        self._p.board.setbacks[volume] = result.why
        _log.warning("operation.failed", volume=volume, action=kind(action), why=result.why, retry_in=round(wait, 1))

    def _held_back(self, action: Action) -> bool:
        backoff = self._backoffs.get(action.volume)
        return backoff is not None and backoff.action == _key(action) and backoff.until > self._p.clock()

    def _sleep(self, actions: Sequence[Action]) -> float:
        """Seconds until looking again makes sense by itself. Pokes come earlier."""
        now, pace = self._p.clock(), self._p.pace
        waits = [pace.resync]
        for action in actions:
            if isinstance(action, Wait | Alarm):
                waits.append(pace.attentive)
            if isinstance(action, Wait) and action.until is not None:
                waits.append(action.until)
        waits += [each.until - now for each in self._backoffs.values() if each.until > now]
        return max(0.01, min(waits))

    def _say(self, decisions: Mapping[VolumeName, Action]) -> None:
        """One line for each decision that changed."""
        for name, action in decisions.items():
            if same_decision(self._p.board.decisions.get(name), action):
                continue
            say = _log.warning if isinstance(action, Alarm) else _log.info
            event = "volume.converged" if isinstance(action, Converged) else "decision.changed"
            say(event, volume=name, decision=kind(action), why=reason(action), epoch=self._term)

    def _judge(self, world: World) -> None:
        """What must never be true is said loudly, once."""
        found = frozenset(violations(world))
        for sentence in sorted(found - self._violations):
            _log.error("law.violated", why=sentence, epoch=self._term)
        self._violations = found

    async def _housekeep(self, world: World) -> None:
        await self._withdraw(world)
        for node in world.departed:
            try:
                await self._p.records.delete_node(node)
            except RecordsUnavailable as error:
                _log.warning("node.kept", node=node, why=str(error))
            else:
                _log.info("node.forgotten", node=node, why="it left the swarm, and no volume refers to it")

    async def _withdraw(self, world: World) -> None:
        """A person's word that a node is dead ends when the node lives."""
        for said in world.confirmations:
            node = (world.nodes or {}).get(said.node)
            if node is None or node.state is not NodeState.READY:
                continue
            try:
                await self._p.records.withdraw(said.node)
            except RecordsUnavailable as error:
                _log.warning("confirmation.kept", node=node.hostname, why=str(error))
            else:
                _log.info("confirmation.withdrawn", node=node.hostname, why="the node is ready again")


def _key(action: Action) -> tuple[type[Action], VmId | None]:
    return type(action), getattr(action, "vm", None)


__all__ = ["Lead", "Pace", "Parts", "Planner", "Reconciler"]

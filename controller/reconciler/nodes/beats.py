"""
Hears the beats of node services, and says which nodes are suspected: the thin shell around `detector`.

Its own sleep is no silence of others: where this process did not run, its clock jumped, it began to act, or it cannot
read Swarm, all silences start again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from controller.model import BootId, Detect, Node, NodeId, Policy, Power, VmId, World
from controller.reconciler.nodes.departed import granted
from controller.reconciler.nodes.detector import Silences, Timing, Voice, listen, pace
from controller.reconciler.state import LoopState
from controller.reconciler.wakeups import Urgent
from controller.records.base import Acting

TICK = 0.25  # seconds
GAP = 1.0  # seconds that we did not run, or that the wall clock jumped, from which on nobody's silence counts

_log = structlog.get_logger(__name__)


class CountedSuspicions(Protocol):
    def suspected(self, *, ended: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Suspicion:
    since: float
    boot: BootId


class Detector:
    """``me``: the node on which this controller runs, which lives."""

    def __init__(
        self,
        state: LoopState,
        acting: Acting,
        policy: Policy,
        me: NodeId,
        counted: CountedSuspicions,
    ) -> None:
        self._state = state
        self._acting = acting
        self._policy = policy
        self._timing = Timing(policy.detect_after, min(policy.max_down_fraction, 0.5))
        self._me = me
        self._counted = counted
        self._voices: dict[NodeId, Voice] = {}
        self._asked: dict[VmId, tuple[int, float]] = {}  # the number of its last word when a gate was asked, and when
        self._suspects: dict[NodeId, Suspicion] = {}
        self._listening: float | None = None  # since when; None: not now
        self._term: tuple[int, bool] = (0, False)
        self._pace: Mapping[bool, float] = {each: pace(0, 0, holds=each) for each in (True, False)}
        self._holders: frozenset[VmId] = frozenset()
        self._of: World | None = None

    @property
    def wanted(self) -> bool:
        return self._policy.detect is Detect.GATE

    def beat(self, node: NodeId, vm: VmId, boot: BootId) -> float:
        """A node service was heard: in how many seconds it is to beat again; 0: beats are not wanted."""
        if not self.wanted:
            return 0.0
        self._acts()
        every = self._pace[vm in self._holders]
        self._voices[node] = Voice(vm, boot, self._state.clock(), every)
        return every

    def suspected(self) -> Mapping[NodeId, float]:
        """For how many seconds each is."""
        now = self._state.clock()
        return {node: now - each.since for node, each in self._suspects.items()}

    async def run(self) -> None:
        """For ever."""
        if not self.wanted:
            return
        before = self._state.clock(), self._state.wall()
        while True:
            await asyncio.sleep(TICK)
            now = self._state.clock(), self._state.wall()
            ran = now[0] - before[0]
            slept = ran - TICK > GAP or abs(now[1] - before[1] - ran) > GAP
            before = now
            self.tick(now[0], slept=slept)

    def tick(self, now: float, *, slept: bool = False) -> None:
        """``slept``: this process did not run for a while."""
        world = self._state.world
        if not self._acts() or world is None or world.nodes is None:
            self._listening = None
            self._suspect({})
            return
        began = self._begin(now, slept=slept)
        self._of_world(world)
        found = listen(self._heard(world.nodes, now), self._many(world), began, now, self._timing)
        self._ask(found, now)
        if found.deaf:
            self._listening = now
        self._suspect({name: at for name, at in found.since.items() if name != self._me})

    def _begin(self, now: float, *, slept: bool) -> float:
        """Since when we listen."""
        if slept and self._listening is not None:
            _log.warning("detector.slept", why="this process did not run for a while: all silences start again")
        if slept or self._listening is None:
            self._listening = now
        return self._listening

    def _acts(self) -> bool:
        """Whether this controller acts. What was heard in an earlier term of it is forgotten."""
        term = self._state.terms, self._acting.epoch is not None
        if term != self._term:
            self._term = term
            self._voices.clear()
            self._asked.clear()
            self._listening = None
        return term[1]

    def _of_world(self, world: World) -> None:
        """What follows from the last look; worked out once for each."""
        if world is self._of:
            return
        self._of = world
        self._holders = _holders(world)
        watched, many = len(self._holders), len(world.nodes or ())
        self._pace = {each: pace(watched, many, holds=each) for each in (True, False)}
        # Whoever was off beats before it is missed: a machine that starts is not silent.
        there = _there(world)
        self._voices = {name: voice for name, voice in self._voices.items() if name in there}

    @staticmethod
    def _many(world: World) -> int:
        return sum(not _off(world, node) for node in (world.nodes or {}).values())

    def _heard(self, nodes: Mapping[NodeId, Node], now: float) -> Mapping[NodeId, Voice]:
        return {name: self._voice(node, now) for name, node in nodes.items() if node.vm is not None and self._on(node)}

    def _on(self, node: Node) -> bool:
        return self._of is None or not _off(self._of, node)

    def _voice(self, node: Node, now: float) -> Voice:
        vm = node.vm or VmId("")
        voice = self._voices.get(node.id) or Voice(vm, node.boot or BootId(""))
        heard = self._state.gates.newest(vm)
        if heard is None or heard.node != node.id:
            return replace(voice, gate=None)
        asked = self._asked.get(vm)
        if asked is not None and asked[0] != heard.number:
            del self._asked[vm]
            asked = None
        return replace(voice, gate=heard.at, asked=None if asked is None else min(asked[1], now))

    def _ask(self, found: Silences, now: float) -> None:
        for vm in found.ask:
            heard = self._state.gates.newest(vm)
            if heard is not None and (vm not in self._asked or self._asked[vm][0] != heard.number):
                self._asked[vm] = heard.number, now
        self._state.gates.prod(found.ask)

    def _suspect(self, found: Mapping[NodeId, float]) -> None:
        before = self._suspects
        self._suspects = {
            name: before.get(name) or Suspicion(at, self._voices[name].boot) for name, at in found.items()
        }
        for name in self._suspects.keys() - before.keys():
            self._say(name, "node.suspected", "neither its gate nor its node service answers")
            self._counted.suspected(ended=False)
        for name in before.keys() - self._suspects.keys():
            voice = self._voices.get(name)
            spoke = voice is not None and voice.boot == before[name].boot
            self._say(name, "node.heard", "it answers again" if spoke else "it is judged by other signs now")
            if spoke:
                self._counted.suspected(ended=True)
        if before.keys() != self._suspects.keys():
            self._state.wakeup.press(Urgent.POWER, "a node fell silent, or is heard again")

    def _say(self, node: NodeId, event: str, why: str) -> None:
        known = None if self._of is None else (self._of.nodes or {}).get(node)
        _log.warning(event, node=node if known is None else known.hostname, why=why)


def _holders(world: World) -> frozenset[VmId]:
    return granted(world.volumes) | {each.vm for each in world.attachments or ()}


def _there(world: World) -> frozenset[NodeId]:
    return frozenset(node.id for node in (world.nodes or {}).values() if not _off(world, node))


def _off(world: World, node: Node) -> bool:
    """Seen off, or called dead for that and not back yet."""
    power = None if node.vm is None else (world.power or {}).get(node.vm)
    return power is Power.OFF or node.labelled

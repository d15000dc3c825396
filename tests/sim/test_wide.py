"""Random walks through wide worlds: 5 to 50 nodes, up to 100 volumes, two controllers, the real planner."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from controller.model import Power, VolumeName
from controller.planner.actions import Alarm, Refuse
from controller.planner.plan import plan
from controller.planner.rules import RULES
from tests.sim.careless import imagined
from tests.sim.wide import Wide
from tests.sim.wide_machines import Controller, Machine

LARGE = os.environ.get("REBERTH_SEARCH") == "large"
ANY = st.one_of(st.integers(0, 2), st.integers(0, 10_000))  # often the same few: trouble comes where events meet


@dataclass(frozen=True)
class Work:
    """Rounds of deciding and writing by a controller; a storage that stalls keeps the calls for later."""

    rounds: int
    old: bool
    stalls: bool


WORK = st.builds(Work, st.integers(0, 4), st.booleans(), st.sampled_from([False, False, False, True]))


class WideWorld(RuleBasedStateMachine):
    """Each rule is one kind of event; a law is checked inside the event that could break it."""

    wide: Wide
    obeyed = RULES

    @initialize(machines=st.integers(5, 50), volumes=st.integers(1, 100), slots=st.integers(2, 40), cuts=st.booleans())
    def build(self, machines: int, volumes: int, slots: int, cuts: bool) -> None:
        self.wide = Wide(machines, volumes, slots, cuts, self.obeyed)
        for i, name in enumerate(self.wide.records):
            self.wide.claim(name, self._machine(i))
        self._settle(rounds=8)

    def _machine(self, number: int) -> Machine:
        machines = list(self.wide.machines.values())
        return machines[number % len(machines)]

    def _volume(self, number: int) -> VolumeName:
        names = list(self.wide.records)
        return names[number % len(names)]

    def _who(self, old: bool) -> Controller:
        return self.wide.old if old and self.wide.old.epoch else self.wide.acting

    @rule(old=st.booleans())
    def decide(self, old: bool) -> None:
        self.wide.decide(self._who(old))

    @rule(old=st.booleans(), index=ANY, many=st.integers(1, 30))
    def write(self, old: bool, index: int, many: int) -> None:
        who = self._who(old)
        for _ in range(min(many, len(who.pending))):
            self.wide.write(who, index)

    def _then(self, work: Work) -> None:
        """What controllers make of an event: each rule that disturbs draws it, or a walk might have no work at all."""
        who = self._who(work.old)
        for _ in range(work.rounds):
            self.wide.decide(who)
            while who.pending:
                self.wide.write(who, 0)
            for _ in range(0 if work.stalls else len(self.wide.calls)):
                self.wide.land(0)

    @rule(number=ANY, hidden=st.booleans(), crash=st.booleans(), work=WORK)
    def lose_a_node(self, number: int, hidden: bool, crash: bool, work: Work) -> None:
        """What Swarm does about a node that it does not hear any more."""
        machine = self._machine(number)
        if crash:
            machine.power_off()
        machine.cut, machine.hidden = machine.on, hidden
        self.wide.acting.heard.pop(machine.vm, None)
        self.notice()
        self.swarm_replaces()
        self._then(work)

    @precondition(lambda self: self.wide.calls)
    @rule(index=ANY, many=st.integers(1, 30))
    def land(self, index: int, many: int) -> None:
        for _ in range(min(many, len(self.wide.calls))):
            self.wide.land(index)

    @precondition(lambda self: self.wide.calls)
    @rule(index=ANY)
    def doubt(self, index: int) -> None:
        self.wide.doubt(index)

    @rule(work=WORK)
    def elect(self, work: Work) -> None:
        self.wide.elect()
        self._then(work)

    @rule(number=ANY, work=WORK)
    def sync(self, number: int, work: Work) -> None:
        self.wide.sync(self._machine(number))
        self._then(work)

    @rule(work=WORK)
    def sync_all(self, work: Work) -> None:
        for machine in self.wide.machines.values():
            self.wide.sync(machine)
        self._then(work)

    @rule(number=ANY)
    def mount(self, number: int) -> None:
        machine = self._machine(number)
        for volume in list(machine.offers):
            self.wide.mount(machine, volume)

    @rule()
    def notice(self) -> None:
        for machine in self.wide.machines.values():
            self.wide.notice(machine)

    @rule(number=ANY, work=WORK)
    def crash(self, number: int, work: Work) -> None:
        self._machine(number).power_off()
        self._then(work)

    @rule(number=ANY, work=WORK)
    def boot(self, number: int, work: Work) -> None:
        machine = self._machine(number)
        if not machine.on:
            machine.on, machine.boot = True, machine.boot + 1
        self._then(work)

    @rule(number=ANY, work=WORK)
    def cut(self, number: int, work: Work) -> None:
        machine = self._machine(number)
        machine.cut = machine.on and not machine.cut
        self.wide.acting.heard.pop(machine.vm, None)
        self._then(work)

    @rule(number=ANY)
    def hide(self, number: int) -> None:
        machine = self._machine(number)
        machine.hidden = not machine.hidden

    @rule(volume=ANY, number=ANY, work=WORK)
    def move(self, volume: int, number: int, work: Work) -> None:
        machine = self._machine(number)
        if not machine.down:
            self.wide.claim(self._volume(volume), machine)
        self._then(work)

    @rule()
    def swarm_replaces(self) -> None:
        ready = [m for m in self.wide.machines.values() if not m.down]
        for i, (volume, (machine, _)) in enumerate(list(self.wide.claims.items())):
            if machine.down and ready:
                self.wide.claim(volume, ready[i % len(ready)])

    def _settle(self, rounds: int) -> None:
        """No new faults: everybody does what there is to do, in turn."""
        w = self.wide
        for _ in range(rounds):
            self.swarm_replaces()
            for machine in w.machines.values():
                w.sync(machine)
            w.decide(w.acting)
            while w.acting.pending:
                w.write(w.acting, 0)
            while w.calls:
                w.land(0)
            for machine in w.machines.values():
                self.notice()
                for volume in list(machine.offers):
                    w.mount(machine, volume)

    def teardown(self) -> None:
        """All is mended: in the end every claim is served, or told why not."""
        if not hasattr(self, "wide"):
            return
        w = self.wide
        for machine in w.machines.values():
            machine.cut = machine.hidden = False
            if not machine.on:
                machine.on, machine.boot = True, machine.boot + 1
        w.calls.clear()
        w.old = Controller(w.old.epoch)
        self.notice()
        self._settle(rounds=25)
        world = w.world(w.acting)
        assert world.power is not None
        assert set(world.power.values()) == {Power.ON}
        for decision in plan(world, w.policy):
            machine, _ = w.claims[decision.volume]
            served = decision.volume in machine.mounted and w.on.get(decision.volume) == machine.vm
            assert served or isinstance(decision.action, Refuse | Alarm), decision


WideWorld.TestCase.settings = settings(
    max_examples=100 if LARGE else 5,
    stateful_step_count=60 if LARGE else 40,
    derandomize=not LARGE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWideWorld = WideWorld.TestCase


class Careless(WideWorld):
    """A planner that drops grants without evidence."""

    obeyed = replace(RULES, evidence=imagined)


def test_the_walks_meet_what_a_careless_planner_does() -> None:
    """Random walks are worth something only if they reach trouble: without the rule about evidence they do."""
    found = settings(WideWorld.TestCase.settings, max_examples=60, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError, match="as proven free, but it writes"):
        run_state_machine_as_test(Careless, settings=found)

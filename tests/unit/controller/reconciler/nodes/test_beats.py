"""Suspicions in a whole controller: what begins one, what ends it, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from controller.model import Detect, FencePolicy, Moment, NodeId, NodeState, Power, VmId
from controller.planner.placement import Placement
from controller.protocol.answers import Rejection
from controller.protocol.beats import Beat
from controller.settings import PolicySettings, Settings
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime
A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
GATE = PolicySettings(fence=FencePolicy.POWER_OFF, grace=5.0, detect=Detect.GATE)


@asynccontextmanager
async def running(cluster: FakeCluster | None = None, policy: PolicySettings = GATE) -> AsyncIterator[Scene]:
    """The volume is used on node b; the controller runs on a. All beat, and the service forbids the label."""
    cluster = cluster or FakeCluster(Settings(policy=policy))
    async with scene(cluster) as place:
        for gate in cluster.gates.values():
            place.spawn(gate.beat())
        cluster.swarm.constraints = ("node.labels.reberth!=down",)
        await place.make()
        place.want("b")
        await place.until(("b",))
        await asyncio.sleep(20.0)  # it beats quickly as soon as it has heard that it is to
        yield place


def hang(place: Scene, node: NodeId) -> None:
    gate = place.cluster.gates[node]
    gate.frozen, gate.beating = True, False


async def until(so: Callable[[], bool]) -> None:
    while True:
        if so():
            return
        await asyncio.sleep(0.05)


async def at(place: Scene, placement: Placement) -> None:
    await until(lambda: place.one.state.decisions[DATA].placement is placement)


async def test_a_node_that_hangs_is_powered_off_after_the_grace_and_swarm_is_told() -> None:
    """Swarm goes on calling it ready: nobody waits for its heartbeats."""
    async with running() as place:
        hang(place, B)
        await at(place, Placement.SILENT_GRACE)
        assert not place.cluster.is_off(VmId("vm-b"))
        await until(lambda: place.cluster.swarm.nodes[B].labelled)
        place.want("c", "t2")
        await place.until(("c",))

        assert place.cluster.swarm.nodes[B].state is NodeState.READY
        assert Moment.FENCED in place.cluster.moments()
        assert "neither its gate nor its node service answers" in place.cluster.entry(Moment.FENCED).text


@pytest.mark.parametrize("voice", ["gate", "node service"])
async def test_a_node_of_which_one_voice_is_heard_is_never_suspected(voice: str) -> None:
    async with running() as place:
        gate = place.cluster.gates[B]
        gate.frozen, gate.beating = voice != "gate", voice == "node service"
        for _ in range(1200):
            await asyncio.sleep(0.05)
            assert not place.one.detector.suspected()
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_a_node_that_speaks_within_the_grace_is_left_alone() -> None:
    async with running() as place:
        hang(place, B)
        await at(place, Placement.SILENT_GRACE)
        gate = place.cluster.gates[B]
        gate.frozen = False
        place.spawn(gate.talk())
        await asyncio.sleep(60.0)

        assert not place.one.detector.suspected()
        assert place.one.state.decisions[DATA].placement is Placement.SETTLED
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_where_all_others_are_silent_it_is_we_who_are_cut_off() -> None:
    async with running() as place:
        hang(place, B)
        hang(place, C)
        for _ in range(1200):
            await asyncio.sleep(0.05)
            assert place.one.state.decisions[DATA].placement is Placement.SETTLED
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_who_stays_silent_when_we_hear_again_is_missed_from_then_on() -> None:
    """What was not heard while we were cut off counts for nothing, however long that was."""
    async with running() as place:
        hang(place, B)
        hang(place, C)
        await asyncio.sleep(60.0)
        gate = place.cluster.gates[C]
        gate.frozen, gate.beating = False, True
        place.spawn(gate.talk())
        place.spawn(gate.beat())
        await until(lambda: bool(place.one.detector.suspected()))

        assert place.one.detector.suspected().keys() == {B}
        assert place.one.detector.suspected()[B] < GATE.grace


async def test_our_own_sleep_is_no_silence_of_others() -> None:
    """Every tick comes late: as on a manager that is starved of its processor."""
    async with running() as place:
        hang(place, B)
        detector, clock = place.one.detector, place.one.state.clock
        for _ in range(100):
            await asyncio.sleep(0.5)
            detector.tick(clock(), slept=True)
        assert not detector.suspected()
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_a_clock_that_jumps_is_no_silence_of_others() -> None:
    """As after a suspended machine: its monotonic clock stood still, the wall clock did not."""
    async with running() as place:
        clock = place.one.state.clock
        place.one.state.wall = lambda: 10 * clock()
        hang(place, B)
        await asyncio.sleep(60.0)
        assert not place.one.detector.suspected()
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_the_node_on_which_the_controller_runs_is_not_suspected() -> None:
    async with running() as place:
        hang(place, A)
        await asyncio.sleep(60.0)
        assert not place.one.detector.suspected()


async def test_a_node_that_names_the_machine_of_another_does_not_beat_for_it() -> None:
    async with running() as place:
        hang(place, B)
        liar = Beat(VmId("vm-b"), place.cluster.gates[B].boot)
        for _ in range(20):
            assert isinstance(await place.one.gate_requests.beat(C, liar), Rejection)
            await asyncio.sleep(0.5)
        assert place.one.detector.suspected().keys() == {B} or place.cluster.is_off(VmId("vm-b"))


async def test_whoever_does_not_act_or_cannot_read_swarm_suspects_nobody() -> None:
    async with running() as place:
        hang(place, B)
        await at(place, Placement.SILENT_GRACE)
        look = place.one.state.look
        assert look is not None
        place.one.state.look = replace(look, world=replace(look.world, nodes=None))
        place.one.detector.tick(place.one.state.clock())

        assert not place.one.detector.suspected()


async def test_a_new_leader_that_never_heard_a_node_does_not_suspect_it() -> None:
    """Whether a node service beats there at all it does not know; Swarm will tell."""
    async with running() as place:
        hang(place, B)
        two = await place.take_over("c")
        await asyncio.sleep(60.0)
        assert not two.detector.suspected()
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_a_machine_that_starts_again_after_its_fence_is_not_missed_while_it_boots() -> None:
    async with running() as place:
        hang(place, B)
        await until(lambda: place.cluster.is_off(VmId("vm-b")))
        await asyncio.sleep(5.0)
        place.cluster.storage.switch(VmId("vm-b"), Power.ON)
        await asyncio.sleep(60.0)

        assert not place.one.detector.suspected()
        assert not place.cluster.is_off(VmId("vm-b"))


async def test_a_machine_that_was_off_beats_before_it_is_missed_also_where_no_label_is_used() -> None:
    policy = PolicySettings(fence=FencePolicy.POWER_OFF, grace=5.0, detect=Detect.GATE, node_label="")
    async with running(policy=policy) as place:
        hang(place, B)
        await until(lambda: bool(place.one.detector.suspected()))
        place.cluster.storage.switch(VmId("vm-b"), Power.OFF)
        await until(lambda: not place.one.detector.suspected())
        place.cluster.storage.switch(VmId("vm-b"), Power.ON)
        for _ in range(600):
            await asyncio.sleep(0.1)
            assert not place.one.detector.suspected()


async def test_without_the_setting_no_beats_are_wanted_and_nobody_is_suspected() -> None:
    async with running(policy=replace_detect(Detect.SWARM)) as place:
        assert place.one.detector.beat(B, VmId("vm-b"), place.cluster.gates[B].sync().boot) == 0.0  # type: ignore[arg-type]
        hang(place, B)
        await asyncio.sleep(60.0)
        assert not place.one.detector.suspected()
        assert not place.cluster.is_off(VmId("vm-b"))


def replace_detect(detect: Detect) -> PolicySettings:
    return PolicySettings(fence=FencePolicy.POWER_OFF, grace=5.0, detect=detect)

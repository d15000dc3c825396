"""`reberth doctor` joins Swarm's word, the nodes' reports and the loop's state."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from controller.api.doctor_requests import DoctorRequests
from controller.model import NodeId, Policy
from controller.protocol.answers import Rejection
from controller.protocol.messages import EngineReport, Hello
from controller.protocol.views import DoctorView
from tests.support.healthy_swarm import GOOD, HEALTHY, node
from tests.support.shell import Scene, scene
from watchers.base import SwarmUnread
from watchers.swarm_facts import SwarmFacts

pytestmark = pytest.mark.looptime


async def healthy() -> SwarmFacts:
    return msgspec.structs.replace(HEALTHY.swarm, nodes=(*HEALTHY.swarm.nodes, node("a")))


def requests(play: Scene) -> DoctorRequests:
    return DoctorRequests(play.one.state, healthy, Policy(capabilities=GOOD))


async def codes(play: Scene) -> set[tuple[str, str]]:
    found = await requests(play).examine()
    assert isinstance(found, DoctorView)
    return {(each.code, each.subject) for each in found.findings}


async def test_a_local_volume_of_a_volume_s_name_is_found_on_the_node_that_reported_it() -> None:
    async with scene() as play:
        await play.make()
        await asyncio.sleep(5)
        play.one.state.hellos[NodeId("w1")] = Hello(
            "vm", "boot", "w1", "running", 5, EngineReport(local_volumes=("data",))
        )
        assert ("local-volume", "w1") in await codes(play)


async def test_a_clock_that_is_off_is_found_by_the_offset_when_it_spoke() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        report = EngineReport(clock=play.one.state.wall() - 60)
        keeper = play.cluster.acting
        assert keeper is not None
        await keeper.hello(NodeId("a"), Hello("vm-a", "boot-a-1", "host-a", "running", 5, report))
        assert ("clock-offset", "a") in await codes(play)


async def test_nodes_that_never_spoke_are_named() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        assert {("node-silent", name) for name in ("m1", "m2", "m3", "w1")} <= await codes(play)


async def test_a_swarm_that_cannot_be_read_is_said() -> None:
    async def away() -> SwarmFacts:
        raise SwarmUnread("the swarm has no leader")

    async with scene() as play:
        found = await DoctorRequests(play.one.state, away, Policy()).examine()
        assert isinstance(found, Rejection)
        assert "no leader" in found.why

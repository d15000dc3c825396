"""`reberth doctor` joins Swarm's word, the nodes' reports and the loop's state."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from controller.api.doctor_requests import DoctorRequests
from controller.model import NodeId, Policy, TaskId
from controller.names import own_version
from controller.protocol.answers import Rejection
from controller.protocol.messages import EngineReport, Hello, Orders, Sync
from controller.protocol.views import DoctorView, UpgradeView
from drivers.base import Room
from drivers.memory_storage import Fault, Reading
from tests.support.healthy_swarm import GOOD, HEALTHY, node
from tests.support.shell import DATA, Scene, scene
from watchers.base import SwarmUnread
from watchers.swarm_facts import SwarmFacts

pytestmark = pytest.mark.looptime


async def healthy() -> SwarmFacts:
    return msgspec.structs.replace(HEALTHY.swarm, nodes=(*HEALTHY.swarm.nodes, node("a")))


def requests(play: Scene) -> DoctorRequests:
    return DoctorRequests(play.one.state, healthy, Policy(capabilities=GOOD), NodeId("a"), play.one.driver)


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


async def test_a_gate_of_another_version_is_named_by_its_node() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        keeper = play.cluster.acting
        assert keeper is not None
        await keeper.hello(NodeId("a"), Hello("vm-a", "boot-a-1", "host-a", "running", 5))
        assert isinstance(await keeper.sync(NodeId("a"), Sync("vm-a", "boot-a-1", "0.0.9", wait=0.0)), Orders)
        assert ("gate-version", "a") in await codes(play)
        assert isinstance(await keeper.sync(NodeId("a"), Sync("vm-a", "boot-a-1", own_version(), wait=0.0)), Orders)
        assert ("gate-version", "a") not in await codes(play)


async def test_what_a_node_service_reports_of_its_network_and_room_is_found_with_its_gate_s_version() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        keeper = play.cluster.acting
        assert keeper is not None
        assert isinstance(await keeper.sync(NodeId("a"), Sync("vm-a", "boot-a-1", "0.0.9", wait=0.0)), Orders)
        for name, mtu, free in (("m1", 1500, 9 << 30), ("a", 1400, 1 << 20)):
            report = EngineReport(clock=play.one.state.wall(), mtu=mtu, root_free=free)
            play.one.state.hellos[NodeId(name)] = Hello(f"vm-{name}", "boot", name, "running", 5, report)
        found = await codes(play)
        assert {("gate-version", "a"), ("mtu-differs", "a"), ("docker-space", "a")} <= found
        assert not {("mtu-differs", "m1"), ("docker-space", "m1")} & found


async def test_little_room_for_disks_is_found_and_a_storage_that_does_not_tell_is_no_finding() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        play.cluster.storage.rooms = [Room("the pool p", 1, 100)]
        assert ("storage-space", "the pool p") in await codes(play)
        play.cluster.storage.fail(Reading.ROOM, Fault.UNREACHABLE)
        assert ("storage-space", "the pool p") not in await codes(play)


async def test_a_storage_that_answers_late_keeps_nobody_waiting() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        play.cluster.storage.rooms = [Room("the pool p", 1, 100)]
        play.cluster.storage.seconds = 60.0
        begun = asyncio.get_running_loop().time()
        assert ("storage-space", "the pool p") not in await codes(play)
        assert asyncio.get_running_loop().time() - begun <= 10.0


async def test_nodes_that_never_spoke_are_named() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        assert {("node-silent", name) for name in ("m1", "m2", "m3", "w1")} <= await codes(play)


async def test_an_upgrade_is_told_by_a_look_of_its_own_with_the_versions_that_gates_said() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        keeper = play.cluster.acting
        assert keeper is not None
        await keeper.hello(NodeId("a"), Hello("vm-a", "boot-a-1", "host-a", "running", 5))
        play.cluster.swarm.started.add(TaskId("t1"))
        before = await requests(play).upgrade()
        assert isinstance(before, UpgradeView)
        assert before.holds == ()
        play.cluster.down("a")
        found = await requests(play).upgrade()
        assert isinstance(found, UpgradeView)
        gate = next(each for each in found.parts if (each.part, each.node) == ("gate", "a"))
        assert (gate.version, found.version) == ("test", own_version())
        assert found.verdict == "wait"
        assert any(each.startswith("Volume data is ") for each in found.holds)


async def test_a_disk_that_is_being_made_larger_holds_an_upgrade() -> None:
    async with scene() as play:
        await play.make()
        await asyncio.sleep(5)
        play.one.state.growing.add(DATA)
        found = await requests(play).upgrade()
        assert isinstance(found, UpgradeView)
        assert "Volume data is being made larger." in found.holds


async def test_a_swarm_that_cannot_be_read_is_said() -> None:
    async def away() -> SwarmFacts:
        raise SwarmUnread("the swarm has no leader")

    async with scene() as play:
        asked = DoctorRequests(play.one.state, away, Policy(), NodeId("a"))
        for found in (await asked.examine(), await asked.upgrade()):
            assert isinstance(found, Rejection)
            assert "no leader" in found.why

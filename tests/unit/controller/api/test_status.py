"""What people read: the reason, the evidence and what they can do, in each situation that lasts."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import NodeId, Operation, TaskId
from controller.protocol.answers import Rejection
from controller.protocol.messages import EngineReport, Hello
from controller.protocol.operator import Explain, Pause
from controller.protocol.views import Explanation
from controller.settings import parse
from drivers.memory_storage import Fault
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime


async def told(play: Scene) -> Explanation:
    found = await play.operator_requests.explain(Explain(DATA))
    assert not isinstance(found, Rejection), found
    return found


async def running_on_a(play: Scene) -> None:
    await play.make()
    play.want("a")
    await play.until(("a",))
    play.cluster.swarm.started.add(TaskId("t1"))
    await asyncio.sleep(1)


async def test_a_volume_in_its_place_says_so_and_needs_nobody() -> None:
    async with scene() as play:
        await running_on_a(play)
        found = await told(play)
        assert (found.state, found.decision, found.cure) == ("ok", "converged", "nothing to do")
        assert found.claim == "service service-data (task t1) on node host-a"
        assert [(each.node, each.revoked) for each in found.grants] == [("host-a", False)]
        assert found.evidence == ()


async def test_a_held_volume_names_the_holder_and_the_command_that_helps() -> None:
    async with scene(FakeCluster(parse('[policy]\nfence = "hold"', {}))) as play:
        await running_on_a(play)
        play.cluster.gates[NodeId("a")].frozen = True
        play.cluster.down("a")
        play.want("b", "t2")
        await asyncio.sleep(60)
        found = await told(play)
        assert (found.state, found.decision) == ("ALARM", "alarm")
        assert "node host-a is down and its VM vm-a still runs; policy 'hold' forces nothing" in found.why
        assert "reberth confirm-dead host-a" in found.cure
        assert [each.revoked for each in found.grants] == [True]
        assert found.evidence == ()


async def test_evidence_is_shown_with_its_source_while_it_holds() -> None:
    async with scene() as play:
        await running_on_a(play)
        play.cluster.swarm.wants.clear()
        assert (await told(play)).claim == "no task wants it"
        play.cluster.crash("a")
        play.cluster.down("a")
        assert not isinstance(await play.operator_requests.pause(Pause("look, do not touch")), Rejection)
        found = await told(play)
        assert [(each.kind.value, each.source, each.node) for each in found.evidence] == [
            ("powered-off", "hypervisor", "host-a")
        ]
        assert "look, do not touch" in found.why


async def test_a_wait_for_the_old_container_says_what_is_awaited() -> None:
    async with scene() as play:
        await running_on_a(play)
        play.want("b", "t2")
        await asyncio.sleep(10)
        found = await told(play)
        assert (found.state, found.placement) == ("waiting", "held on a node that is ready")
        assert "is still in use on node host-a (VM vm-a)" in found.why
        status = await play.operator_requests.status()
        assert not isinstance(status, Rejection)
        assert [(line.volume, line.node, line.state) for line in status.volumes] == [("data", "host-a", "waiting")]


async def test_the_last_setback_is_told() -> None:
    async with scene() as play:
        await play.make()
        play.cluster.storage.fail(Operation.ATTACH, *[Fault.REFUSED] * 9)
        play.want("a")
        await asyncio.sleep(5)
        found = await told(play)
        assert found.setback == ("the storage refused to attach: the storage in memory was told to refuse this attach")


async def test_a_local_volume_that_bears_the_name_is_told_with_its_node_and_the_cure() -> None:
    """Docker on that node takes it for the volume, and no gate is ever asked."""
    async with scene() as play:
        await running_on_a(play)
        engine = EngineReport(local_volumes=(DATA, "other"))
        play.one.state.hellos[NodeId("b")] = Hello("vm-b", "boot-b-1", "host-b", "running", engine=engine)
        found = await told(play)
        listed = await play.one.operator_requests.status()
        assert not isinstance(listed, Rejection)
        assert [line.warnings for line in listed.volumes] == [found.warnings]
        (warning,) = found.warnings
        assert "node host-b has a local volume data" in warning
        assert "`docker volume rm data` there" in warning

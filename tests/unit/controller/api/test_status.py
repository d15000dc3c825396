"""What people read: the reason, the evidence and what they can do, in each situation that lasts."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from controller.api.metrics.state_collector import StateCollector
from controller.cli.check import Health, judged
from controller.model import NodeId, Operation, TaskId
from controller.protocol.answers import Rejection
from controller.protocol.messages import EngineReport, Hello
from controller.protocol.operator import Explain, Pause
from controller.protocol.views import Explanation
from controller.reconciler.gate_reports import USAGE_COUNTS
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


async def test_a_volume_that_is_nearly_full_says_so_with_the_cure_and_one_that_is_not_says_its_numbers() -> None:
    async with scene() as play:
        await running_on_a(play)

        async def has(used: int, available: int) -> None:
            play.cluster.gates[NodeId("a")].room = (used << 20, available << 20)
            await asyncio.sleep(30)

        await has(80, 20)
        found = await told(play)
        assert (found.used_bytes, found.available_bytes, found.warnings) == (80 << 20, 20 << 20, ())
        await has(93, 7)
        found = await told(play)
        assert [each.partition(":")[0] for each in found.warnings] == ["volume data is 93% full, 7 MiB are left"]
        assert "`reberth grow data SIZE`" in found.warnings[0]
        seen = await play.operator_requests.status()
        assert not isinstance(seen, Rejection)
        assert (seen.volumes[0].full, seen.volumes[0].warnings) == (True, found.warnings)
        health, line = judged(seen)
        assert (health, "volume data is 93% full" in line) == (Health.WARNING, True)
        play.cluster.gates[NodeId("a")].frozen = True
        await asyncio.sleep(2 * USAGE_COUNTS)
        assert (await told(play)).used_bytes == 0, "its gate has not spoken since"


async def test_a_mount_that_suffers_is_an_alarm_wherever_a_person_or_a_program_looks() -> None:
    """A container that cannot read its disk is no mere wait. It ends with the gate's word that it is well."""
    async with scene() as play:
        await running_on_a(play)
        gate = play.cluster.gates[NodeId("a")]
        gate.suffering[DATA] = "its disk does not answer: a read from the disk 8:16 has had no answer"
        await asyncio.sleep(30)
        found = await told(play)
        assert (found.state, found.decision) == ("ALARM", "alarm")
        assert "on node host-a (VM vm-a), but the gate there reports: its disk does not answer" in found.why
        assert "On node host-a see the kernel's log" in found.cure
        assert "`docker service update --force service-data`" in found.cure
        health, line = await checked(play)
        assert (health, "data: Volume data is on node host-a" in line) == (Health.CRITICAL, True)
        assert metric(play) == 1

        del gate.suffering[DATA]
        await asyncio.sleep(30)
        assert (await told(play)).state == "ok"
        assert (await checked(play))[0] is Health.OK
        assert metric(play) == 0


async def checked(play: Scene) -> tuple[Health, str]:
    status = await play.operator_requests.status()
    assert not isinstance(status, Rejection), status
    return judged(status)


def metric(play: Scene) -> float | None:
    registry = CollectorRegistry()
    registry.register(StateCollector(play.one.state, play.one.lead))
    return registry.get_sample_value("reberth_alarms")

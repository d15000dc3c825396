"""Whole failovers through the real loop, on memory."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import EvidenceKind, FencePolicy, Moment, NodeId, NodeState, Operation, VmId, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import RemoveVolume
from controller.protocol.operator import Confirm, Pause, Told
from controller.settings import PolicySettings, Settings
from drivers.memory_storage import Fault
from tests.support.shell import DATA, WALL, FakeCluster, scene

pytestmark = pytest.mark.looptime


async def test_a_new_volume_is_made_attached_granted_and_formatted_once() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(1)
        assert play.cluster.moments() == [
            Moment.CREATED,
            Moment.ATTACHED,
            Moment.GRANTED,
            Moment.FORMATTED,
            Moment.MOUNTED,
        ]
        assert play.cluster.record().intent is None
        assert play.cluster.gates[NodeId("a")].formatted == [DATA]


async def test_a_node_that_loses_power_loses_the_volume_to_the_next_within_the_time_of_a_few_looks() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(60)
        play.cluster.crash("a")
        await asyncio.sleep(10)
        play.cluster.down("a")
        start = asyncio.get_running_loop().time()
        play.want("b", "t2")
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - start < 0.1
        await asyncio.sleep(1)
        evidence = play.cluster.entry(Moment.EVIDENCE)
        assert (evidence.evidence, evidence.node) == (EvidenceKind.POWERED_OFF, "host-a")
        assert evidence.at - WALL == pytest.approx(start, abs=0.1)
        moments = play.cluster.moments()
        assert moments[moments.index(Moment.EVIDENCE) :] == [
            Moment.EVIDENCE,
            Moment.DETACHED,
            Moment.ATTACHED,
            Moment.GRANTED,
            Moment.MOUNTED,
        ]


async def test_a_planned_move_needs_no_fence_and_waits_for_the_old_gate() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.want("b", "t2")
        await asyncio.sleep(5)
        assert play.cluster.writers() == ("vm-a",)  # the old container has not ended
        await play.cluster.gates[NodeId("a")].stop(DATA)
        await play.until(("b",))
        await asyncio.sleep(1)
        assert play.cluster.entry(Moment.EVIDENCE).evidence is EvidenceKind.RELEASED
        assert Moment.FENCED not in play.cluster.moments()
        assert play.cluster.gates[NodeId("b")].formatted == []


async def test_a_node_shut_down_in_good_order_loses_its_volume_on_its_gates_word_alone() -> None:
    """Swarm wants the ended task there until the node is down; no new permission voids the gate's word meanwhile."""
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.swarm.started.add(play.cluster.swarm.wants[DATA][0])
        await play.cluster.gates[NodeId("a")].stop(DATA)
        await asyncio.sleep(5)
        play.cluster.gates[NodeId("a")].frozen = True
        play.cluster.storage.vms[VmId("vm-a")].connected = False  # the hypervisor cannot say that it is off
        await asyncio.sleep(15)
        play.cluster.down("a")
        play.want("b", "t2")
        await play.until(("b",))
        assert play.cluster.entry(Moment.EVIDENCE).evidence is EvidenceKind.RELEASED
        assert play.cluster.moments().count(Moment.GRANTED) == 2


async def test_a_new_task_on_the_same_node_keeps_the_disk_attached() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(1)
        before = play.cluster.moments()
        await play.cluster.gates[NodeId("a")].stop(DATA)
        play.want("a", "t2")
        await play.until(("a",))
        await asyncio.sleep(1)
        assert play.cluster.moments()[len(before) :] == [Moment.GRANTED, Moment.MOUNTED]


async def test_a_node_that_is_down_while_its_vm_runs_is_powered_off_after_the_grace() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.gates[NodeId("a")].frozen = True  # cut off: its container goes on writing
        play.cluster.down("a")
        start = asyncio.get_running_loop().time()
        play.want("b", "t2")
        await play.until(("b",))
        grace = play.cluster.settings.policy.grace
        assert grace <= asyncio.get_running_loop().time() - start < grace + 2
        moments = play.cluster.moments()
        assert moments.index(Moment.FENCED) < moments.index(Moment.EVIDENCE)
        assert moments.count(Moment.FENCED) == 1


async def test_a_vm_whose_power_nobody_knows_keeps_its_volume_until_a_person_says_that_it_is_dead() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.gates[NodeId("a")].frozen = True
        play.cluster.storage.vms[VmId("vm-a")].connected = False
        play.cluster.down("a")
        play.want("b", "t2")
        await asyncio.sleep(300)
        assert play.cluster.writers() == ("vm-a",)
        told = await play.operator_requests.confirm(Confirm("host-a", ""))
        assert isinstance(told, Rejection)
        play.cluster.storage.vms[VmId("vm-a")].writing.clear()  # it is dead indeed
        told = await play.operator_requests.confirm(Confirm("host-a", "I pulled the plug", "anna"))
        assert isinstance(told, Told), told
        await play.until(("b",))
        evidence = play.cluster.entry(Moment.EVIDENCE)
        assert evidence.evidence is EvidenceKind.CONFIRMED
        assert "I pulled the plug" in evidence.text
        play.cluster.down("a", NodeState.READY)
        await asyncio.sleep(30)
        assert play.cluster.store.confirmations == {}


async def test_the_old_node_returns_with_a_new_boot_and_can_be_the_next_target() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.crash("a")
        play.cluster.down("a")
        play.want("b", "t2")
        await play.until(("b",))
        play.boot("a", "boot-a-2")
        await asyncio.sleep(5)
        assert play.cluster.writers() == ("vm-b",)
        play.cluster.crash("b")
        play.cluster.down("b")
        play.want("a", "t3")
        await play.until(("a",))


async def test_sixty_volumes_of_one_dead_node_move_in_one_call_each_way() -> None:
    async with scene() as play:
        names = [VolumeName(f"data-{number}") for number in range(60)]
        for name in names:
            await play.make(name)
            play.want("a", f"t1-{name}", name)
        for name in names:
            await play.until(("a",), name)
        await asyncio.sleep(1)
        before = len(play.cluster.storage.calls)
        play.cluster.crash("a")
        play.cluster.down("a")
        for name in names:
            play.want("b", f"t2-{name}", name)
        for name in names:
            await play.until(("b",), name)
        calls = [call.operation for call in play.cluster.storage.calls[before:]]
        assert (calls.count(Operation.DETACH), calls.count(Operation.ATTACH)) == (1, 1)


async def test_a_pause_holds_everything_until_it_is_ended() -> None:
    async with scene() as play:
        await play.make()
        assert isinstance(await play.operator_requests.pause(Pause("storage work")), Told)
        play.want("a")
        await asyncio.sleep(60)
        assert play.cluster.record().grants == ()
        assert "storage work" in play.one.state.why(DATA)
        assert isinstance(await play.operator_requests.pause(Pause()), Told)
        await play.until(("a",))


async def test_a_removed_volume_is_detached_and_deleted_with_its_record() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        refused = await play.one.volume_requests.remove(RemoveVolume(DATA))
        assert isinstance(refused, Rejection)
        assert "service-data" in refused.why
        play.cluster.swarm.wants.clear()
        await play.cluster.gates[NodeId("a")].stop(DATA)
        assert not isinstance(await play.one.volume_requests.remove(RemoveVolume(DATA)), Rejection)
        await asyncio.sleep(30)
        assert play.cluster.store.volumes == {}
        assert play.cluster.storage.disks == {}


@pytest.mark.parametrize("fault", [Fault.LATE, Fault.TWICE])
async def test_a_late_deletion_of_a_removed_volume_spares_the_one_made_anew_under_its_name(fault: Fault) -> None:
    """No storage refuses a delete by its epoch, so the new volume's disk bears another name."""
    async with scene() as play:
        await play.make()
        await asyncio.sleep(1)
        play.cluster.storage.late = 60.0
        play.cluster.storage.fail(Operation.DELETE, fault)
        assert not isinstance(await play.one.volume_requests.remove(RemoveVolume(DATA)), Rejection)
        await asyncio.sleep(10)
        assert play.cluster.store.volumes == {}
        await play.make()
        await asyncio.sleep(1)
        disk = play.cluster.record().disk
        assert [*play.cluster.storage.disks] == [disk]
        await asyncio.sleep(120)  # the late delete comes while the new disk is attached nowhere
        assert [*play.cluster.storage.disks] == [disk]
        play.want("a")
        await play.until(("a",))


async def test_a_node_that_is_back_is_not_powered_off_while_swarm_has_not_noticed_it() -> None:
    """Its gate speaks again before Swarm's agent does. One that Swarm goes on missing is powered off in the end."""
    async with scene(FakeCluster(Settings(policy=PolicySettings(fence=FencePolicy.POWER_OFF)))) as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.down("a")
        play.want("b", "t2")
        await asyncio.sleep(25)
        assert not play.cluster.is_off(VmId("vm-a"))
        assert "its gate was heard since" in play.one.state.why(DATA)
        await play.until(("b",))
        assert play.cluster.is_off(VmId("vm-a"))

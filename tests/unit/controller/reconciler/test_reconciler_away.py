"""What still goes on while the storage is away, or the hypervisor knows little: and what is said to who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from controller.model import BootId, FencePolicy, Node, NodeId, NodeState, Power, TaskId, VmId
from controller.protocol.operator import Confirm, Told
from controller.settings import PolicySettings, Settings
from drivers.memory import MemoryDriver
from tests.support.fake_gate import FakeGate
from tests.support.fake_swarm import FragileRecords
from tests.support.shell import DATA, FakeCluster, scene

pytestmark = pytest.mark.looptime


class KnowsNoBoot(MemoryDriver):
    """As most hypervisors."""

    async def boots(self, _vms: Sequence[VmId]) -> dict[VmId, BootId]:
        return {}


class WithoutWitness(FakeCluster):
    def clients(self) -> tuple[FragileRecords, MemoryDriver]:
        return FragileRecords(self.store), KnowsNoBoot(self.storage)


async def test_a_task_that_is_started_again_where_it_was_needs_no_storage() -> None:
    """Everything of the storage is away; only a move has to wait for it."""
    async with scene() as play:
        await play.make()
        play.want("a", volume=DATA)
        await play.until(("a",))
        play.cluster.storage.away = True
        await play.cluster.gates[NodeId("a")].stop(DATA)
        play.want("a", "t2")
        await play.until(("a",))

        await play.cluster.gates[NodeId("a")].stop(DATA)
        play.want("b", "t3")
        await asyncio.sleep(60)
        assert play.cluster.writers() == ()
        assert "the storage in memory does not answer" in play.one.state.why(DATA)
        play.cluster.storage.away = False
        await play.until(("b",))


async def test_a_task_that_is_started_again_on_a_machine_that_cannot_be_read_gets_its_volume() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.storage.hidden.add(VmId("vm-a"))
        await play.cluster.gates[NodeId("a")].stop(DATA)
        play.want("a", "t2")
        await play.until(("a",))


async def test_a_new_leader_gives_nothing_before_it_has_read_the_storage() -> None:
    """Its stamp is not on the VM: a call of its predecessor's may still come."""
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.storage.away = True
        two = await play.take_over("b")
        await play.cluster.gates[NodeId("a")].stop(DATA)
        play.want("a", "t2")
        two.state.wakeup("the test")
        await asyncio.sleep(60)
        assert play.cluster.writers() == ()
        play.cluster.storage.away = False
        await play.until(("a",))


async def test_a_machine_that_rejoined_after_a_restart_is_refused_with_a_reason_and_taken_by_a_persons_word() -> None:
    """Its new node is the only one for the task: what hangs on its old boot is freed by the word alone."""
    async with scene(WithoutWitness()) as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        cluster, again = play.cluster, NodeId("again")
        cluster.crash("a")
        await asyncio.sleep(1)
        del cluster.swarm.nodes[NodeId("a")]
        cluster.storage.vms[VmId("vm-a")].connected = False  # the hypervisor says nothing of it while it starts
        cluster.storage.switch(VmId("vm-a"), Power.ON)
        cluster.swarm.nodes[again] = Node(again, "host-a", NodeState.READY)
        gate = cluster.gates[again] = FakeGate(cluster, again, "boot-a-2")
        gate.vm = VmId("vm-a")
        play.spawn(gate.talk())
        play.want("again", "t2")
        await asyncio.sleep(60)
        assert "nothing but its own word says that this is the same machine" in play.one.state.why(DATA)
        assert "`reberth confirm-dead a" in play.one.state.why(DATA)

        told = await play.operator_requests.confirm(Confirm("a", "it was started again", "anna"))
        assert isinstance(told, Told), told
        await asyncio.sleep(10)
        play.spawn(gate.start(DATA))
        await play.until(("a",))


async def test_a_machine_that_runs_before_its_node_joins_is_not_fenced_at_once_by_a_new_leader() -> None:
    """
    As after a restore from a backup: the records have a permission there, and the old node was removed. It was powered
    off a second after a person had switched it on.
    """
    async with scene(FakeCluster(Settings(policy=PolicySettings(fence=FencePolicy.POWER_OFF)))) as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.gates[NodeId("a")].frozen = True
        play.loop.cancel()
        del play.cluster.swarm.nodes[NodeId("a")]
        two = await play.take_over("c")
        play.cluster.swarm.wants[DATA] = (TaskId("t2"), NodeId("b"))
        play.spawn(play.cluster.gates[NodeId("b")].start(DATA))

        await asyncio.sleep(25)
        assert not play.cluster.is_off(VmId("vm-a"))
        assert "Waiting for it to join" in two.state.why(DATA)
        await play.until(("b",))
        assert play.cluster.is_off(VmId("vm-a"))

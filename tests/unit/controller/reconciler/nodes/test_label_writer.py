"""Failovers that do not wait for Swarm's heartbeats, through the real loop, on memory."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import EvidenceKind, Moment, NodeId, Power, VmId
from controller.reconciler.nodes.power_readings import LISTEN
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime
A = NodeId("a")


async def running(play: Scene) -> None:
    """The volume is in use on a, its gate was heard a moment ago, and the hypervisor's events are heard."""
    play.spawn(play.watch(play.one))
    await play.make()
    play.want("a")
    await play.until(("a",))
    await asyncio.sleep(60)


async def test_a_node_whose_vm_goes_off_is_labelled_and_its_disk_freed_before_swarm_notices() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.labels.enforce = lambda _: play.want("b", "t2")
        began = asyncio.get_running_loop().time()
        play.cluster.crash("a")
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - began < 1.0
        assert play.cluster.labels.changes == [(A, True)]
        assert play.cluster.swarm.nodes[A].down_for is None
        assert "reberth=down" in play.cluster.entry(Moment.LABELLED).text
        assert play.cluster.entry(Moment.EVIDENCE).evidence is EvidenceKind.POWERED_OFF


async def test_in_a_busy_swarm_the_hypervisors_word_does_not_wait_behind_gates_that_report() -> None:
    async with scene() as play:
        await running(play)

        async def chatter() -> None:
            while True:
                play.one.state.wakeup("a gate reported a change")
                await asyncio.sleep(0.02)

        play.spawn(chatter())
        await asyncio.sleep(10.1)
        play.cluster.labels.enforce = lambda _: play.want("b", "t2")
        began = asyncio.get_running_loop().time()
        play.cluster.crash("a")
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - began < LISTEN + 0.2


async def test_a_look_that_began_before_the_label_was_written_does_not_write_it_again() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.swarm.takes = 0.05  # longer than the label: the next look still sees the node without it
        play.cluster.crash("a")
        await asyncio.sleep(5)
        assert play.cluster.labels.changes == [(A, True)]


async def test_without_a_service_that_forbids_the_label_the_disk_waits_detached_for_swarms_next_task() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.crash("a")
        await asyncio.sleep(5)
        assert play.cluster.record().grants == ()
        assert play.cluster.storage.attached[play.cluster.record().disk] == set()  # type: ignore[index]
        play.cluster.down("a")
        play.want("b", "t2")
        await play.until(("b",))


async def test_the_label_goes_when_the_node_is_back_in_a_new_boot() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.crash("a")
        await asyncio.sleep(5)
        play.cluster.storage.switch(VmId("vm-a"), Power.ON)  # Swarm has noticed nothing; its gate does not speak yet
        await asyncio.sleep(5)
        assert play.cluster.swarm.nodes[A].labelled
        play.boot("a", "boot-a-2")
        await asyncio.sleep(5)
        assert play.cluster.labels.changes == [(A, True), (A, False)]


async def test_whoever_leads_when_the_node_is_back_takes_the_label_off() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.crash("a")
        await asyncio.sleep(5)
        play.die_after(0)
        play.loop.cancel()
        await play.take_over("b")
        await asyncio.sleep(5)
        assert play.cluster.swarm.nodes[A].labelled
        play.boot("a", "boot-a-2")
        await asyncio.sleep(30)
        assert not play.cluster.swarm.nodes[A].labelled


async def test_a_label_that_a_person_sets_on_a_living_node_is_taken_off_and_nothing_is_moved_for_it() -> None:
    async with scene() as play:
        await running(play)
        await play.cluster.labels.put(A)
        await asyncio.sleep(20)
        assert play.cluster.labels.changes == [(A, True), (A, False)]
        assert play.cluster.writers(DATA) == ("vm-a",)


async def test_a_label_that_could_not_be_written_is_tried_again() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.labels.refuse = True
        play.cluster.crash("a")
        await asyncio.sleep(5)
        play.cluster.labels.refuse = False
        await asyncio.sleep(2)
        assert play.cluster.labels.changes == [(A, True)]


async def test_a_gate_that_speaks_while_its_vm_is_seen_off_keeps_the_disk_and_the_node_its_name() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.storage.switch(VmId("vm-a"), Power.OFF)  # a left-over definition: the VM runs elsewhere
        await asyncio.sleep(60)
        assert play.cluster.labels.changes == []
        assert Moment.EVIDENCE not in play.cluster.moments()
        world = play.one.state.world
        assert world is not None
        assert any("left-over definition" in each for each in world.unread)


async def test_the_history_tells_of_a_label_that_came_after_the_disk_was_freed() -> None:
    """A new leader of Swarm does not see yet who else lives, and puts the label later."""
    async with scene() as play:
        await running(play)
        play.cluster.labels.enforce = lambda _: play.want("b", "t2")
        play.cluster.labels.refuse = True
        play.cluster.crash("a")
        await asyncio.sleep(5)
        assert play.cluster.record().grants == ()
        play.cluster.labels.refuse = False
        await play.until(("b",))
        assert play.cluster.moments().count(Moment.LABELLED) == 1


async def test_the_history_tells_of_a_label_whose_call_had_no_answer() -> None:
    async with scene() as play:
        await running(play)
        play.cluster.labels.enforce = lambda _: play.want("b", "t2")
        play.cluster.labels.silent = True
        play.cluster.crash("a")
        await play.until(("b",))
        assert play.cluster.labels.changes == [(A, True)]
        assert play.cluster.moments().count(Moment.LABELLED) == 1

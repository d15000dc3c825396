"""A person's word that a machine is dead: shown before it counts, and good for one that left the swarm, too."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import Moment, NodeId, Power
from controller.protocol.answers import Rejection, Status
from controller.protocol.operator import Confirm, Consequences, Explain, Pause, Told, WouldConfirm
from controller.protocol.views import Explanation
from controller.settings import parse
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime
HOLD = parse('[policy]\nfence = "hold"\n[storage]\ndriver = "memory"', {})


async def removed_while_dead(place: Scene) -> None:
    """Node b has the volume, is cut off, and then removed with `docker node rm --force`; its VM runs on."""
    await place.make()
    place.want("b")
    await place.until(("b",))
    place.cluster.gates[NodeId("b")].frozen = True
    del place.cluster.swarm.nodes[NodeId("b")]
    place.want("c", "t2")


async def believed(place: Scene) -> None:
    """Its permission to write is dropped on this evidence; the disk follows as soon as the storage lets go of it."""
    async with asyncio.timeout(120):
        while Moment.CONFIRMED not in place.cluster.moments():
            await place.one.state.changed.wait(5.0)
    assert place.cluster.record().grants == ()
    place.cluster.storage.switch(place.cluster.gates[NodeId("b")].vm, Power.OFF)
    await place.until(("c",))


@pytest.mark.parametrize("name", ["host-b", "b", "vm-b"])
async def test_a_node_that_was_removed_while_it_was_dead_can_be_confirmed_under_each_of_its_names(name: str) -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await removed_while_dead(place)
        told = await place.one.operator_requests.confirm(Confirm(name, "its host burnt down"))
        assert isinstance(told, Told)
        await believed(place)


async def test_the_command_that_explain_prints_works_as_it_is_printed() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await removed_while_dead(place)
        for _ in range(20):
            found = await place.one.operator_requests.explain(Explain(DATA))
            if isinstance(found, Explanation) and "confirm-dead" in found.cure:
                break
            await asyncio.sleep(5.0)
        assert isinstance(found, Explanation)
        name = found.cure.partition("reberth confirm-dead ")[2].split()[0]
        assert isinstance(await place.one.operator_requests.confirm(Confirm(name, "sure")), Told)
        await believed(place)


async def test_what_would_follow_is_shown_first_and_changes_nothing() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await removed_while_dead(place)
        shown = await place.one.operator_requests.would_confirm(WouldConfirm("vm-b"))
        assert isinstance(shown, Consequences)
        assert shown.name == "host-b"
        for words in (
            "not in the swarm any more",
            "hypervisor says unknown",
            "taken from it: data",
            "power it off first",
        ):
            assert words in shown.text
        assert place.cluster.store.confirmations == {}


async def test_a_node_that_lives_is_neither_confirmed_nor_shown() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await place.make()
        for answer in (
            await place.one.operator_requests.confirm(Confirm("host-a", "sure")),
            await place.one.operator_requests.would_confirm(WouldConfirm("host-a")),
        ):
            assert isinstance(answer, Rejection)
            assert (answer.status, "is ready" in answer.why) == (Status.CONFLICT, True)


async def test_a_pause_with_an_end_says_it_to_whoever_waits() -> None:
    async with scene() as play:
        told = await play.operator_requests.pause(Pause("storage work", 3600.0))
        assert isinstance(told, Told)
        assert told.text.startswith("paused: storage work (until 2023-11-14 23:")
        assert play.one.lead.paused == told.text.removeprefix("paused: ")
        assert await play.operator_requests.pause(Pause()) == Told("resumed")

"""A person pauses everything, one volume or one node, and is told what is paused."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.api.orders.pauses import received, sent
from controller.model import Epoch, Intent, NodeId, NodeState, Operation, PausedPart, VmId, VolumeName
from controller.protocol.answers import Rejection, Status
from controller.protocol.operator import MOST_PAUSED, Explain, Pause, Told
from controller.protocol.views import Explanation, PausedView, StatusView
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime


async def said(place: Scene, asked: Pause) -> str:
    told = await place.operator_requests.pause(asked)
    assert isinstance(told, Told), told
    return told.text


async def refused(place: Scene, asked: Pause) -> Rejection:
    told = await place.operator_requests.pause(asked)
    assert isinstance(told, Rejection), told
    return told


async def status(place: Scene) -> StatusView:
    found = await place.operator_requests.status()
    assert isinstance(found, StatusView)
    return found


@pytest.mark.parametrize("name", ["host-b", "b", "vm-b"])
async def test_a_volume_waits_for_a_paused_node_and_moves_there_when_the_pause_ends(name: str) -> None:
    async with scene() as place:
        await place.make()
        await asyncio.sleep(5)
        assert await said(place, Pause("its host is mended", node=name)) == "paused: node host-b: its host is mended"
        place.want("b")
        await asyncio.sleep(60)
        assert place.cluster.writers() == ()
        found = await place.operator_requests.explain(Explain(DATA))
        assert isinstance(found, Explanation)
        assert found.state == "paused"
        assert "`reberth resume --node host-b`" in found.why
        assert (await status(place)).paused_parts == (PausedView("node", "host-b", "its host is mended"),)
        assert await said(place, Pause(node=name)) == "resumed: node host-b"
        await place.until(("b",))


async def test_a_paused_volume_stays_where_it_is_although_its_node_died_until_the_pause_ends_by_itself() -> None:
    async with scene() as place:
        await place.make()
        place.want("a")
        await place.until(("a",))
        told = await said(place, Pause("it is copied", 600.0, volume=DATA))
        assert told.startswith("paused: volume data: it is copied (until ")
        place.cluster.crash("a")
        place.cluster.down("a")
        place.want("b", "t2")
        before = place.cluster.record().grants
        await asyncio.sleep(120)
        assert place.cluster.record().grants == before
        place.one.lead.paused_parts = ()  # as the real one tells it from that second on
        await place.until(("b",))


async def test_of_a_paused_volume_not_even_the_record_is_tidied_up_until_the_pause_ends() -> None:
    async with scene() as place:
        await place.make()
        place.want("a")
        await place.until(("a",))
        await asyncio.sleep(5)
        await said(place, Pause("it is copied", volume=DATA))
        record = place.cluster.record()
        settled = Intent(Operation.ATTACH, place.one.lead.epoch or Epoch(0), VmId("vm-a"))
        place.cluster.store.volumes[DATA] = replace(record, intent=settled)
        await asyncio.sleep(60)
        assert place.cluster.record().intent == settled
        await said(place, Pause(volume=DATA))
        await asyncio.sleep(60)
        assert place.cluster.record().intent is None


async def test_what_is_not_there_or_not_paused_is_refused_with_what_is() -> None:
    async with scene() as place:
        await place.make()
        await asyncio.sleep(5)
        unknown = await refused(place, Pause("x", volume="dta"))
        assert (unknown.status, "known volumes: data" in unknown.why) == (Status.MISSING, True)
        assert (await refused(place, Pause("x", node="host-z"))).status == Status.MISSING
        assert (await refused(place, Pause("x", node="a", volume=DATA))).status == Status.BAD
        assert (await refused(place, Pause(volume=DATA))).why == "volume data is not paused alone"
        await said(place, Pause("works"))
        assert (await refused(place, Pause(volume=DATA))).why.endswith("everything is paused: works")


async def test_the_end_of_the_pause_of_everything_says_what_is_still_paused_alone() -> None:
    async with scene() as place:
        await place.make()
        await asyncio.sleep(5)
        await said(place, Pause("it is copied", volume=DATA))
        await said(place, Pause("works"))
        assert (await said(place, Pause())).startswith("resumed; still paused: volume data (")
        assert await said(place, Pause(volume=DATA)) == "resumed: volume data"
        assert await said(place, Pause()) == "resumed"


async def test_of_two_nodes_of_one_name_the_id_is_asked_for() -> None:
    async with scene() as place:
        swarm = place.cluster.swarm.nodes
        for name in ("b", "c"):
            swarm[NodeId(name)] = replace(swarm[NodeId(name)], hostname="twin", state=NodeState.DOWN)
        told = await refused(place, Pause("x", node="twin"))
        assert (told.status, "say the ID" in told.why) == (Status.CONFLICT, True)


async def test_a_node_that_left_the_swarm_is_resumed_by_the_name_that_it_had() -> None:
    async with scene() as place:
        await asyncio.sleep(5)
        await said(place, Pause("its host is mended", node="host-b"))
        del place.cluster.swarm.nodes[NodeId("b")]
        place.cluster.store.nodes.pop(NodeId("b"))
        assert await said(place, Pause(node="host-b")) == "resumed: node host-b"
        assert place.one.lead.paused_parts == ()


async def test_there_is_an_end_to_how_much_can_be_paused_alone() -> None:
    async with scene() as place:
        await place.make()
        await asyncio.sleep(5)
        many = tuple(PausedPart("x", volume=VolumeName(f"v{n}")) for n in range(MOST_PAUSED))
        place.one.lead.paused_parts = many
        assert (await refused(place, Pause("x", volume=DATA))).status == Status.CONFLICT
        place.one.lead.paused_parts = (*many[1:], PausedPart("y", volume=DATA))
        await said(place, Pause("z", volume=DATA))
        assert len(place.one.lead.paused_parts) == MOST_PAUSED


def test_what_is_paused_is_sent_and_received_unchanged() -> None:
    parts = (
        PausedPart("x", volume=DATA),
        PausedPart("y", node=NodeId("n"), vm=VmId("v"), hostname="h"),
        PausedPart("z", node=NodeId("n"), hostname="h"),
    )
    assert received(sent(parts)) == parts

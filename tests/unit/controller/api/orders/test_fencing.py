"""A person orders a fence: what follows is shown first, refused where it may hit whoever lives, and read back after."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import EvidenceKind, Moment, NodeId, NodeState, PausedPart, Power, VmId
from controller.protocol.answers import Rejection, Status
from controller.protocol.operator import Consequences, Fence, Told, WouldFence
from controller.settings import parse
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime
HOLD = parse('[policy]\nfence = "hold"\n[storage]\ndriver = "memory"', {})
VM = VmId("vm-b")


async def held(place: Scene) -> None:
    """Node b has the volume and is cut off; its VM runs on, and the policy 'hold' forces nothing."""
    await place.make()
    place.want("b")
    await place.until(("b",))
    place.cluster.gates[NodeId("b")].frozen = True
    place.cluster.down("b")
    place.want("c", "t2")
    await asyncio.sleep(90)
    assert not place.cluster.is_off(VM)


async def refused(place: Scene, node: str = "b", *, lives: bool = False) -> str:
    told = await place.one.fence_requests.fence(Fence(node, "it hangs", "ann", lives))
    assert isinstance(told, Rejection), told
    assert told.status == Status.CONFLICT
    assert not place.cluster.is_off(VM)
    return told.why


@pytest.mark.parametrize("name", ["host-b", "b", "vm-b"])
async def test_a_held_volume_moves_once_its_vm_was_powered_off_by_order_and_is_seen_off(name: str) -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        told = await place.one.fence_requests.fence(Fence(name, "it hangs", "ann"))
        assert isinstance(told, Told), told
        await place.until(("c",))
        assert place.cluster.storage.vms[VM].power is Power.OFF
        assert place.cluster.entry(Moment.FENCED).text.endswith("ann ordered it: it hangs")
        assert place.cluster.entry(Moment.EVIDENCE).evidence is EvidenceKind.POWERED_OFF


async def test_a_power_off_that_is_not_seen_is_no_evidence_and_is_said_to_be_none() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        place.cluster.storage.vms[VM].connected = False
        told = await place.one.fence_requests.fence(Fence("b", "it hangs", "ann"))
        assert isinstance(told, Rejection)
        assert "was not seen off afterwards" in told.why
        await asyncio.sleep(60)
        assert place.cluster.record().grants[0].vm == VM


async def test_what_would_be_hit_is_shown_first_and_nothing_is_done_by_that() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        shown = await place.one.fence_requests.would_fence(WouldFence("b"))
        assert isinstance(shown, Consequences)
        assert shown.name == "host-b"
        for words in ("VM vm-b", "Swarm says down", "the hypervisor says on", "may write to: data."):
            assert words in shown.text
        assert "LIVES" not in shown.text
        assert not place.cluster.is_off(VM)


async def test_a_node_that_is_ready_is_powered_off_only_by_words_that_say_so() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await place.make()
        place.want("b")
        await place.until(("b",))
        why = await refused(place)
        assert "lives: Swarm calls it ready" in why
        assert "--although-it-lives" in why
        shown = await place.one.fence_requests.would_fence(WouldFence("b", although_it_lives=True))
        assert isinstance(shown, Consequences)
        assert "This node LIVES" in shown.text
        assert isinstance(await place.one.fence_requests.fence(Fence("b", "it hangs", "ann", True)), Told)
        assert place.cluster.is_off(VM)


async def test_a_node_that_is_down_and_whose_gate_speaks_lives_too() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await place.make()
        place.want("b")
        await place.until(("b",))
        place.cluster.down("b")
        place.want("c", "t2")
        await asyncio.sleep(3)
        assert "lives: its gate was heard" in await refused(place)


async def test_nothing_is_fenced_that_a_person_has_paused() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        lead = place.one.lead
        for part in (PausedPart("x", volume=DATA), PausedPart("x", node=NodeId("b"), hostname="host-b")):
            lead.paused_parts = (part,)
            assert f"`reberth resume --{part.kind} {part.name}` first" in await refused(place)
        lead.paused, lead.paused_parts = "works", ()
        assert "`reberth resume` first" in await refused(place)


async def test_a_vm_that_two_nodes_report_is_never_fenced() -> None:
    """A clone kept its origin's UUID: it is not known whose machine would be hit."""
    async with scene(FakeCluster(HOLD)) as place:
        await place.make()
        place.want("b")
        await place.until(("b",))
        records = place.cluster.store.nodes
        records[NodeId("c")] = replace(records[NodeId("c")], vm=VM)
        assert "another ready node reports the same VM" in await refused(place, lives=True)


async def test_neither_the_controllers_own_node_nor_the_majority_of_managers_is_fenced() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await place.make()
        place.want("b")
        await place.until(("b",))
        assert "this controller, which acts, runs there" in await refused(place, "a", lives=True)
        place.cluster.down("c")
        assert "too few managers would be left" in await refused(place, lives=True)


async def test_of_a_manager_that_is_down_already_nothing_more_is_lost() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        nodes = place.cluster.swarm.nodes
        assert [each.state for each in nodes.values()].count(NodeState.READY) == 2
        assert isinstance(await place.one.fence_requests.fence(Fence("b", "it hangs", "ann")), Told)


async def test_where_no_volume_is_there_is_nothing_to_fence_and_what_is_off_is_off() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        assert "there is nothing to fence" in await refused(place, "c", lives=True)
        place.cluster.storage.switch(VM, Power.OFF)
        told = await place.one.fence_requests.fence(Fence("b", "it hangs", "ann"))
        assert isinstance(told, Rejection)
        assert "is seen off already" in told.why or "there is nothing to fence" in told.why


async def test_an_order_without_a_reason_or_for_an_unknown_node_is_refused() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        said = await place.one.fence_requests.fence(Fence("b", " ", "ann"))
        assert isinstance(said, Rejection)
        assert said.status == Status.BAD
        unknown = await place.one.fence_requests.fence(Fence("host-z", "x", "ann"))
        assert isinstance(unknown, Rejection)
        assert "known nodes: host-a, host-b, host-c" in unknown.why


async def test_a_controller_that_was_deposed_meanwhile_powers_nothing_off() -> None:
    async with scene(FakeCluster(HOLD)) as place:
        await held(place)
        rival = place.cluster.controller("c")
        await rival.lead.take()
        told = await place.one.fence_requests.fence(Fence("b", "it hangs", "ann"))
        assert isinstance(told, Rejection)
        assert not place.cluster.is_off(VM)

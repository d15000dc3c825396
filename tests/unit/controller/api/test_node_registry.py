"""A node speaks for one VM: the one that it named first, and that no other living node names."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.model import Node, NodeId, NodeState, VmId
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.messages import (
    Empty,
    Hello,
    MountRequest,
    Orders,
)
from drivers.guests import GuestAddresses
from drivers.memory_storage import Reading
from tests.support.api_site import Site, site, sync, why
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA


async def test_a_node_cannot_speak_for_the_vm_of_another_living_node(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted()
        stolen = MountRequest(DATA, "vm-b", "boot-b-1", 0.0)
        status, told = why(await place.ask("c", endpoints.MOUNT, stolen))
        assert status == Status.CONFLICT
        assert "nodes host-c and host-b both say that they are VM vm-b" in told


async def test_a_node_cannot_change_its_vm(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.ask("b", endpoints.HELLO, Hello("vm-b", "boot-b-1", "host-b"))
        status, told = why(await place.ask("b", endpoints.HELLO, Hello("vm-x", "boot-b-1", "host-b")))
        assert (status, "was VM vm-b and now says it is VM vm-x" in told) == (Status.CONFLICT, True)


async def test_a_node_that_rejoined_takes_over_the_vm_of_its_old_id_that_is_down(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.ask("b", endpoints.HELLO, Hello("vm-b", "boot-b-1", "host-b"))
        place.cluster.down("b")
        place.cluster.swarm.nodes[NodeId("c")] = Node(NodeId("c"), "host-b", NodeState.READY)
        await asyncio.sleep(0)
        place.controller.state.wakeup("test")
        await place.controller.state.fresh_look(5.0)
        assert await place.ask("c", endpoints.HELLO, Hello("vm-b", "boot-b-2", "host-b")) == Empty()
        assert place.cluster.store.nodes[NodeId("c")].vm == VmId("vm-b")


async def test_a_message_from_a_boot_that_has_ended_is_refused(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b", boot="2")), Orders)
        status, told = why(await place.ask("b", endpoints.SYNC, sync("b")))
        assert (status, "has ended" in told) == (Status.CONFLICT, True)


async def rejoined(place: Site, *, manager: bool, seen: str) -> object:
    """What a new node is answered that names the VM of one that is down and holds nothing."""
    await place.ask("b", endpoints.HELLO, Hello("vm-b", "boot-b-1", "host-b"))
    place.cluster.storage.vms[VmId("vm-b")].addresses = GuestAddresses(("10.0.0.2",), whole=True)
    place.cluster.down("b")
    place.cluster.swarm.nodes[NodeId("c")] = Node(NodeId("c"), "host-c", NodeState.READY, manager, address=seen)
    await place.look()
    return await place.ask("c", endpoints.HELLO, Hello("vm-b", "boot-b-2", "host-c"))


@pytest.mark.parametrize("manager", [False, True])
async def test_a_node_that_comes_from_elsewhere_does_not_take_over_a_vm_of_a_node_that_is_down(
    ca: SwarmCa, tmp_path: Path, manager: bool
) -> None:
    """A manager does not lie; but it may be a copy with the UUID of another machine, as any node may."""
    async with site(ca, tmp_path) as place:
        status, told = why(await rejoined(place, manager=manager, seen="10.0.0.9"))
        assert (status, "by other addresses than 10.0.0.9" in told) == (Status.CONFLICT, True)
        assert NodeId("c") not in place.cluster.store.nodes
    async with site(ca, tmp_path) as place:
        assert await rejoined(place, manager=manager, seen="10.0.0.2") == Empty()


async def test_addresses_bind_a_node_when_it_names_its_vm_first_and_not_later(ca: SwarmCa, tmp_path: Path) -> None:
    """Tools that tell a part some day, or a changed address, take no VM from a node that has it."""
    async with site(ca, tmp_path) as place:
        await place.ask("b", endpoints.HELLO, Hello("vm-b", "boot-b-1", "host-b"))
        place.cluster.storage.vms[VmId("vm-b")].addresses = GuestAddresses(("10.0.0.2",), whole=True)
        nodes = place.cluster.swarm.nodes
        nodes[NodeId("b")] = replace(nodes[NodeId("b")], address="10.0.0.9")
        await place.look()
        place.cluster.storage.calls.clear()
        assert await place.ask("b", endpoints.HELLO, Hello("vm-b", "boot-b-2", "host-b")) == Empty()
        assert place.cluster.store.nodes[NodeId("b")].boot == "boot-b-2"
        assert Reading.ADDRESSES not in {each.operation for each in place.cluster.storage.calls}

"""A node speaks for one VM: the one that it named first, and that no other living node names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from controller.model import Node, NodeId, NodeState, VmId
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.messages import (
    Empty,
    Hello,
    MountRequest,
    Orders,
)
from tests.support.api_site import site, sync, why
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

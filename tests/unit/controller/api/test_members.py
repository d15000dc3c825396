"""A certificate is worth what Swarm's list says of its node now."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.model import Node, NodeId, NodeState
from controller.protocol import endpoints, operator
from controller.protocol.answers import Status
from controller.protocol.messages import CreateVolume, Empty, Hello, Orders
from controller.protocol.operator import Pause, Told
from tests.support.api_site import OPTIONS, site, swarm_ca, sync, why
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    made = swarm_ca(tmp_path_factory.mktemp("ca"))
    made.issue("m2")
    return made


async def test_a_removed_node_is_nobody(ca: SwarmCa, tmp_path: Path) -> None:
    """Its certificate stays valid for up to 90 days; it reports, lists and makes nothing with it."""
    async with site(ca, tmp_path) as place:
        await place.wants("b")
        await place.remove_node("b")
        for endpoint, message in (
            (endpoints.LIST_VOLUMES, Empty()),
            (endpoints.SYNC, sync("b")),
            (endpoints.HELLO, Hello("vm-b", "boot-b-1", "host-b")),
            (endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)),
        ):
            status, told = why(await place.ask("b", endpoint, message))
            assert (status, "it was removed" in told) == (Status.FORBIDDEN, True)
        assert place.cluster.store.nodes == {}


async def test_a_removed_node_that_asks_again_and_again_makes_the_loop_look_once(ca: SwarmCa, tmp_path: Path) -> None:
    """A gate retries each second: that must not read the whole storage each second, until its certificate ends."""
    async with site(ca, tmp_path) as place:
        await place.remove_node("b")
        await place.ask("b", endpoints.SYNC, sync("b"))
        begun = place.controller.state.begun
        for _ in range(5):
            assert why(await place.ask("b", endpoints.SYNC, sync("b")))[0] == Status.FORBIDDEN
        assert place.controller.state.begun == begun


async def test_a_node_that_has_just_joined_is_found_by_looking_again(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.look()
        place.cluster.swarm.nodes[NodeId("m2")] = Node(NodeId("m2"), "host-m2", NodeState.READY)
        assert isinstance(await place.ask("m2", endpoints.SYNC, sync("m2")), Orders)


async def test_a_demoted_manager_is_a_worker_at_once(ca: SwarmCa, tmp_path: Path) -> None:
    """Its certificate still says manager."""
    async with site(ca, tmp_path) as place:
        place.cluster.swarm.nodes[NodeId("m2")] = Node(NodeId("m2"), "host-m2", NodeState.READY, manager=True)
        await place.look()
        assert isinstance(await place.ask("m2", operator.PAUSE, Pause()), Told)
        await place.change_node("m2", manager=False)
        status, told = why(await place.ask("m2", operator.PAUSE, Pause("mine now")))
        assert (status, "host-m2 is no manager" in told) == (Status.FORBIDDEN, True)
        assert why(await place.ask("m2", endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)))[0] == Status.FORBIDDEN


async def test_a_promoted_worker_is_no_manager_before_swarm_gave_it_a_managers_certificate(
    ca: SwarmCa, tmp_path: Path
) -> None:
    async with site(ca, tmp_path) as place:
        await place.change_node("b", manager=True)
        assert why(await place.ask("b", operator.PAUSE, Pause("x")))[0] == Status.FORBIDDEN


async def test_a_node_that_swarm_thinks_dead_reports_and_changes_nothing(ca: SwarmCa, tmp_path: Path) -> None:
    """It may have rebooted: its word about itself counts. Whoever left the swarm is down in the list, too."""
    async with site(ca, tmp_path) as place:
        await place.wants("b")
        await place.change_node("b", state=NodeState.DOWN)
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
        status, told = why(await place.ask("b", endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)))
        assert (status, "Swarm says that node host-b is down" in told) == (Status.FORBIDDEN, True)


async def test_a_list_that_cannot_be_read_is_no_reason_to_refuse_for_good(ca: SwarmCa, tmp_path: Path) -> None:
    """503: the gate asks again, and its task is not failed."""
    async with site(ca, tmp_path) as place:
        place.cluster.swarm.unread = True
        await place.look()
        async with asyncio.timeout(20):
            assert why(await place.ask("b", endpoints.SYNC, sync("b")))[0] == Status.UNAVAILABLE

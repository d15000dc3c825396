"""
What each kind of certificate may do: asked over real TLS, at every endpoint, while a service runs that it may hurt.

A new endpoint fails here until somebody has said who may ask it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.model import Node, NodeId, NodeState, Phase, VmId
from controller.protocol import endpoints, operator
from controller.protocol.answers import Status
from controller.protocol.endpoint import Endpoint
from controller.protocol.endpoints import ENDPOINTS
from controller.protocol.identity import client_context
from controller.protocol.messages import CreateVolume, Empty, GetVolume, Hello, KnownNames, RemoveVolume, VolumeReport
from tests.support.api_site import Site, mount, site, swarm_ca, sync
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA

# Who asks. "victim" is the volume of node b, where its task runs.
OTHER_WORKER, REMOVED, DEMOTED, DOWN, MANAGER = "c", "gone", "demoted", "down", "m2"

MAY, MAY_NOT = "may", "may not"


def requests(node: str) -> dict[str, msgspec.Struct]:
    """What an attacker asks at each endpoint, so that it hurts if it is granted."""
    return {
        endpoints.CREATE_VOLUME.path: CreateVolume("loot", {"clone-from": DATA}),
        endpoints.GET_VOLUME.path: GetVolume(DATA),
        endpoints.INSPECT_VOLUME.path: GetVolume(DATA),
        endpoints.LIST_VOLUMES.path: Empty(),
        endpoints.NAMES.path: KnownNames(),
        endpoints.REMOVE_VOLUME.path: RemoveVolume(DATA),
        endpoints.MOUNT.path: mount(node),
        endpoints.SYNC.path: sync(node),
        endpoints.HELLO.path: Hello(f"vm-{node}", f"boot-{node}-1", f"host-{node}"),
        operator.STATUS.path: Empty(),
        operator.DOCTOR.path: Empty(),
        operator.EXPLAIN.path: operator.Explain(DATA),
        operator.HISTORY.path: operator.History(DATA),
        operator.EVENTS.path: operator.Events(),
        operator.PLAN.path: operator.Plan("host-b"),
        operator.MOVE.path: operator.Move(DATA, "host-down"),
        operator.END_MOVE.path: operator.EndMove(DATA),
        operator.EVACUATE.path: operator.Evacuate(node),
        operator.CONFIRM.path: operator.Confirm("host-down", "it is dead, believe me"),
        operator.WOULD_CONFIRM.path: operator.WouldConfirm("host-down"),
        operator.FENCE.path: operator.Fence("host-b", "power it off"),
        operator.WOULD_FENCE.path: operator.WouldFence("host-b"),
        operator.PAUSE.path: operator.Pause("nothing moves any more"),
        operator.UNDELETE.path: operator.Undelete(DATA),
        operator.ADOPT.path: operator.Adopt("loot", f"{DATA}-0123abcd", "1GiB"),
        operator.EXPORT.path: Empty(),
        operator.IMPORT.path: operator.Import(10**12, (), by="an attacker"),
        operator.GROW.path: operator.Grow(DATA, "512MiB"),
        operator.DRIVER.path: Empty(),
    }


OWN = {endpoints.SYNC.path, endpoints.HELLO.path}  # a node that is in the list reports about itself
NAMES = {
    endpoints.GET_VOLUME.path,
    endpoints.INSPECT_VOLUME.path,
    endpoints.LIST_VOLUMES.path,
    endpoints.NAMES.path,
}
# A manager removes what no service uses, and this volume is in use: its wish is refused for that, not for who it is.
REFUSED_FOR_OTHER_REASONS = {
    endpoints.CREATE_VOLUME.path,
    endpoints.REMOVE_VOLUME.path,
    endpoints.MOUNT.path,
    operator.ADOPT.path,
    operator.UNDELETE.path,
    operator.IMPORT.path,
    operator.MOVE.path,
    operator.EVACUATE.path,
    operator.GROW.path,
    operator.FENCE.path,  # the node lives
    operator.WOULD_FENCE.path,
}
LOOKING = (operator.STATUS, operator.DOCTOR, operator.EXPLAIN, operator.HISTORY, operator.EVENTS, operator.PLAN)
PEOPLE = {each.path for each in (*LOOKING, operator.EXPORT, operator.DRIVER)} | {
    each.path for each in (operator.END_MOVE, operator.CONFIRM, operator.WOULD_CONFIRM, operator.PAUSE)
}
RIGHTS: dict[str, set[str]] = {
    OTHER_WORKER: OWN | NAMES,
    REMOVED: set(),
    DEMOTED: OWN | NAMES,
    DOWN: OWN | NAMES,
    MANAGER: OWN | NAMES | PEOPLE,
}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    made = swarm_ca(tmp_path_factory.mktemp("ca"))
    made.issue(REMOVED, "swarm-worker")
    made.issue(DEMOTED)
    made.issue(DOWN, "swarm-worker")
    made.issue(MANAGER)
    return made


@asynccontextmanager
async def battlefield(ca: SwarmCa, folder: Path) -> AsyncIterator[Site]:
    async with site(ca, folder) as place:
        for name, manager, state in (
            (DEMOTED, False, NodeState.READY),
            (DOWN, False, NodeState.DOWN),
            (MANAGER, True, NodeState.READY),
        ):
            node = NodeId(name)
            place.cluster.swarm.nodes[node] = Node(node, f"host-{name}", state, manager=manager)
            place.cluster.storage.add_vm(VmId(f"vm-{name}"))
        await place.look()
        assert await place.ask(DOWN, endpoints.HELLO, requests(DOWN)[endpoints.HELLO.path]) == Empty()
        await place.granted("b")
        yield place


def test_every_endpoint_has_its_request_and_its_row() -> None:
    assert set(requests("c")) == {each.path for each in ENDPOINTS}
    assert {*OWN, *NAMES, *PEOPLE, *REFUSED_FOR_OTHER_REASONS} == {each.path for each in ENDPOINTS}


@pytest.mark.parametrize("who", RIGHTS)
async def test_a_certificate_gets_what_its_row_says_and_the_volume_stays_where_it_is(
    ca: SwarmCa, tmp_path: Path, who: str
) -> None:
    """The whole table at once: what may be asked is answered, everything else is 403, or refused for its content."""
    async with battlefield(ca, tmp_path) as place:
        before = place.cluster.record()
        got = {}
        for endpoint in sorted(ENDPOINTS, key=lambda each: each is operator.PAUSE):  # the pause last: it stops the rest
            got[endpoint.path] = await verdict(place, who, endpoint)

        assert got == {each.path: MAY if each.path in RIGHTS[who] else MAY_NOT for each in ENDPOINTS}
        after = place.cluster.record()
        assert (after.phase, after.grants, after.spec) == (Phase.READY, before.grants, before.spec)
        assert set(place.cluster.store.volumes) == {DATA}
        if who != MANAGER:
            assert place.lead.paused is None


async def verdict(place: Site, who: str, endpoint: Endpoint[Any, Any]) -> str:
    answer = await place.ask(who, endpoint, requests(who)[endpoint.path])
    if isinstance(answer, tuple):
        assert answer[0] in {Status.FORBIDDEN, Status.CONFLICT, Status.BAD, Status.PENDING}, (
            answer
        )  # no grant yet is none
        return MAY_NOT
    return MAY


async def test_a_removed_node_is_refused_for_that_reason_everywhere(ca: SwarmCa, tmp_path: Path) -> None:
    async with battlefield(ca, tmp_path) as place:
        for endpoint in ENDPOINTS:
            status, body = await place.post(client_context(ca.folder / REMOVED), endpoint.path, b"not even JSON")
            assert status == Status.FORBIDDEN, endpoint.path
            assert b"it was removed" in body


async def test_a_worker_cannot_speak_for_the_vm_of_another(ca: SwarmCa, tmp_path: Path) -> None:
    """Neither report for it, nor mount what is its, nor end its boot with an invented one."""
    async with battlefield(ca, tmp_path) as place:
        before = place.cluster.record().grants
        for boot in ("boot-b-1", "invented"):
            stolen = Hello("vm-b", boot, "host-b")
            assert isinstance(await place.ask("c", endpoints.HELLO, stolen), tuple)
            lie = msgspec.structs.replace(sync("c"), vm="vm-b", boot=boot)
            assert isinstance(await place.ask("c", endpoints.SYNC, lie), tuple)
        await place.look()
        assert place.cluster.record().grants == before


async def test_a_gate_cannot_use_up_the_numbers_of_a_volume(ca: SwarmCa, tmp_path: Path) -> None:
    """The highest serial that fits into a message: the next grant's would not, on any node, for ever."""
    async with battlefield(ca, tmp_path) as place:
        answer = await place.ask("b", endpoints.SYNC, sync("b", VolumeReport(DATA, "mounted", 2**63 - 1)))
        assert isinstance(answer, tuple)
        assert answer[0] == Status.BAD
        await place.look()
        assert place.cluster.record().serial < 2**40

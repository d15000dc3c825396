"""
What each kind of certificate may do: asked over real TLS, at every endpoint, while a service runs that it may hurt.

A new endpoint fails here until somebody has said who may ask it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.model import NodeId, Phase, TaskId, VolumeName
from controller.protocol import endpoints, operator
from controller.protocol.answers import Status
from controller.protocol.endpoint import Endpoint
from controller.protocol.endpoints import ENDPOINTS
from controller.protocol.identity import client_context
from controller.protocol.messages import (
    CreateVolume,
    Hello,
    Orders,
    Volume,
    VolumeReport,
)
from tests.support.api_site import OPTIONS, Site, sync
from tests.support.battlefield import DEMOTED, DOWN, MANAGER, OTHER_WORKER, REMOVED, attackers_ca, battlefield, requests
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA

MAY, MAY_NOT = "may", "may not"

OWN = {
    endpoints.SYNC.path,
    endpoints.HELLO.path,
    endpoints.BEAT.path,
}  # a node that is in the list reports about itself
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
    operator.MAKE_SNAPSHOT.path,  # nothing was ever written there
    operator.DELETE_SNAPSHOT.path,  # so it has none
    operator.RESTORE_SNAPSHOT.path,
}
LOOKING = (operator.STATUS, operator.DOCTOR, operator.EXPLAIN, operator.HISTORY, operator.EVENTS, operator.PLAN)
PEOPLE = {each.path for each in (*LOOKING, operator.SNAPSHOTS, operator.UPGRADE, operator.EXPORT, operator.DRIVER)} | {
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
    return attackers_ca(tmp_path_factory.mktemp("ca"))


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
        # No grant yet is none; and a snapshot that is missing was looked for by whoever may delete it.
        assert answer[0] in {Status.FORBIDDEN, Status.CONFLICT, Status.BAD, Status.PENDING, Status.MISSING}, answer
        assert answer[0] != Status.MISSING or (who, endpoint) == (MANAGER, operator.DELETE_SNAPSHOT), answer
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
        assert isinstance(answer, Orders)
        await place.look()
        assert place.cluster.record().serial < 2**40


async def test_a_gate_that_lies_before_there_is_a_volume_does_not_use_up_its_numbers(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """A grant above what fits into a message could be read by no gate, nor could what is told beside it."""
    async with battlefield(ca, tmp_path) as place:
        other = VolumeName("later")
        lie = sync("b", VolumeReport(other, "unmounted", 2**63 - 1), VolumeReport(DATA, "mounted", 1))
        await place.ask("b", endpoints.SYNC, lie)
        assert isinstance(await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume(other, OPTIONS)), Volume)
        place.cluster.swarm.wants[other] = (TaskId("t9"), NodeId("b"))
        for _ in range(20):
            await place.look()
        assert place.cluster.store.volumes[other].serial < 2**40

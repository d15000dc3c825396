"""The API over real TLS on loopback, with certificates signed as Swarm signs them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from controller.answers import Status
from controller.api import Api, Route, routes
from controller.desk import Explain
from controller.door import Door, door_socket
from controller.identity import MANAGER_NAME, Peer, SwarmIdentity, client_context
from controller.model import Epoch, Node, NodeId, NodeState, TaskId, VmId
from controller.wire import (
    CreateVolume,
    Empty,
    GetVolume,
    Hello,
    Message,
    MountGrant,
    MountRequest,
    Orders,
    Pending,
    Problem,
    Redirect,
    Sync,
    Volume,
    VolumeReport,
    Volumes,
)
from tests.certificates import SwarmCa
from tests.unit.shell import DATA, Controller, FakeCluster

OPTIONS = {"size": "1GiB"}
TASK = TaskId("t1")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    made = SwarmCa.create(tmp_path_factory.mktemp("ca"))
    for node, unit in (("a", "swarm-manager"), ("b", "swarm-worker"), ("c", "swarm-worker")):
        made.issue(node, unit)
    return made


@dataclass
class Site:
    """One controller, listening. ``port`` of its API, ``door`` of its unix socket."""

    cluster: FakeCluster
    controller: Controller
    identity: SwarmIdentity
    ca: SwarmCa
    port: int
    door: Path
    lead: StandIn

    async def ask(self, node: str, path: str, message: Message) -> object:
        """As the node of that name; the answer as a Message."""
        context = client_context(self.ca.folder / node)
        return await self._post(context, path, msgspec.json.encode(message))

    async def _post(self, context: ssl.SSLContext, path: str, body: bytes) -> object:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"https://127.0.0.1:{self.port}{path}", data=body, ssl=context, server_hostname=MANAGER_NAME
            ) as answer,
        ):
            return _decoded(path, answer.status, await answer.read())

    async def knock(self, path: str, message: Message) -> tuple[int, bytes]:
        """Through the unix socket."""
        connector = aiohttp.UnixConnector(str(self.door))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://door{path}", data=msgspec.json.encode(message)) as answer,
        ):
            return answer.status, await answer.read()


class StandIn:
    """Where the acting controller is, as the API sees it."""

    def __init__(self, controller: Controller) -> None:
        self._lead = controller.lead
        self.acting_address: str | None = None

    @property
    def epoch(self) -> Epoch | None:
        return self._lead.epoch


_ANSWERS: dict[str, type[Message]] = {
    "/v1/volumes/create": Volume,
    "/v1/volumes/get": Volume,
    "/v1/volumes/list": Volumes,
    "/v1/mount": MountGrant,
    "/v1/sync": Orders,
}


def _decoded(path: str, status: int, body: bytes) -> object:
    if status == Status.DONE:
        return msgspec.json.decode(body, type=_ANSWERS.get(path, Empty))
    kinds: dict[int, type[Message]] = {Status.PENDING: Pending, Status.MISDIRECTED: Redirect}
    return status, msgspec.json.decode(body, type=kinds.get(status, Problem))


def _why(answer: object) -> tuple[int, str]:
    assert isinstance(answer, tuple), answer
    status, problem = answer
    assert isinstance(problem, Problem | Pending)
    return status, problem.why


@asynccontextmanager
async def site(ca: SwarmCa, folder: Path, node: str = "a", acting: bool = True) -> AsyncIterator[Site]:
    cluster = FakeCluster()
    controller = cluster.controller(node)
    identity = SwarmIdentity(ca.folder / node)
    lead = StandIn(controller)
    table = routes(controller.catalogue, controller.keeper, controller.desk)
    door = folder / "run" / "door.sock"
    async with listening(table, lead, identity, door) as port, asyncio.TaskGroup() as group:
        if acting:
            await controller.lead.take()
        cluster.acting = controller.keeper
        loop = group.create_task(controller.loop.run())
        yield Site(cluster, controller, identity, ca, port, door, lead)
        controller.keeper.closing = True
        controller.board.changed.fire()
        loop.cancel()


@asynccontextmanager
async def listening(
    table: Mapping[str, Route], lead: StandIn, identity: SwarmIdentity, path: Path
) -> AsyncIterator[int]:
    """The API's port on loopback, and the door at ``path``."""

    def identify(request: web.Request) -> Peer:
        assert request.transport is not None
        return identity.peer(request.transport.get_extra_info("ssl_object"))

    api = web.AppRunner(Api(table, lead, "own:1", identify).application(), shutdown_timeout=0.1)
    door = Door(table, lead, "own:1", lambda: identity.me, lambda: identity.client)
    doors = web.AppRunner(door.application(), shutdown_timeout=0.1)
    await api.setup()
    await doors.setup()
    await web.TCPSite(api, "127.0.0.1", 0, ssl_context=identity.server).start()
    await web.SockSite(doors, door_socket(path)).start()
    try:
        yield api.addresses[0][1]
    finally:
        await api.cleanup()
        await doors.cleanup()


def mount(node: str, volume: str = DATA, wait: float = 0.0) -> MountRequest:
    return MountRequest(volume, f"vm-{node}", f"boot-{node}-1", wait)


def sync(node: str, *volumes: VolumeReport, boot: str = "1") -> Sync:
    return Sync(f"vm-{node}", f"boot-{node}-{boot}", "test", volumes, wait=0.0)


async def granted(place: Site, node: str = "b") -> MountGrant:
    """A volume made, wanted on the node and granted to it."""
    assert isinstance(await place.ask(node, "/v1/volumes/create", CreateVolume(DATA, OPTIONS)), Volume)
    place.cluster.swarm.wants[DATA] = (TASK, NodeId(node))
    assert isinstance(await place.ask(node, "/v1/sync", sync(node)), Orders)
    answer = await place.ask(node, "/v1/mount", mount(node, wait=10.0))
    assert isinstance(answer, MountGrant), answer
    return answer


async def test_a_worker_gets_the_volume_of_the_task_that_swarm_placed_there(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        grant = await granted(place)
        record = place.cluster.record()
        assert grant == MountGrant(
            volume=DATA,
            key=record.key,
            task=TASK,
            epoch=1,
            serial=record.serial,
            by_id=(f"reberth-{record.disk}",),
            size_bytes=2**30,
            fstype="ext4",
            fs_uuid=record.fs_uuid,
            may_format=True,
        )


async def test_the_report_that_a_disk_is_formatted_is_stored_before_it_is_answered(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        grant = await granted(place)
        report = VolumeReport(DATA, "mounting", grant.serial, formatted=True)
        assert isinstance(await place.ask("b", "/v1/sync", sync("b", report)), Orders)
        assert place.cluster.record().formatted
        again = await place.ask("b", "/v1/mount", mount("b", wait=5.0))
        assert isinstance(again, MountGrant)
        assert not again.may_format


async def test_a_worker_does_not_get_another_nodes_volume(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await granted(place)
        status, why = _why(await place.ask("c", "/v1/mount", mount("c", wait=10.0)))
        assert status == Status.FORBIDDEN
        assert "wants volume data on node host-b (service service-data), not on host-c" in why


async def test_a_container_outside_of_swarm_is_told_so(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.ask("b", "/v1/volumes/create", CreateVolume(DATA, OPTIONS))
        status, why = _why(await place.ask("b", "/v1/mount", mount("b", wait=10.0)))
        assert (status, "not for `docker run`" in why) == (Status.FORBIDDEN, True)


async def test_a_node_cannot_speak_for_the_vm_of_another_living_node(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await granted(place)
        stolen = MountRequest(DATA, "vm-b", "boot-b-1", 0.0)
        status, why = _why(await place.ask("c", "/v1/mount", stolen))
        assert status == Status.CONFLICT
        assert "nodes host-c and host-b both say that they are VM vm-b" in why


async def test_a_node_cannot_change_its_vm(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.ask("b", "/v1/hello", Hello("vm-b", "boot-b-1", "host-b"))
        status, why = _why(await place.ask("b", "/v1/hello", Hello("vm-x", "boot-b-1", "host-b")))
        assert (status, "was VM vm-b and now says it is VM vm-x" in why) == (Status.CONFLICT, True)


async def test_a_node_that_rejoined_takes_over_the_vm_of_its_old_id_that_is_down(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.ask("b", "/v1/hello", Hello("vm-b", "boot-b-1", "host-b"))
        place.cluster.down("b")
        place.cluster.swarm.nodes[NodeId("c")] = Node(NodeId("c"), "host-b", NodeState.READY)
        await asyncio.sleep(0)
        place.controller.poke("test")
        await place.controller.board.fresh_look(5.0)
        assert await place.ask("c", "/v1/hello", Hello("vm-b", "boot-b-2", "host-b")) == Empty()
        assert place.cluster.store.nodes[NodeId("c")].vm == VmId("vm-b")


async def test_a_message_from_a_boot_that_has_ended_is_refused(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        assert isinstance(await place.ask("b", "/v1/sync", sync("b")), Orders)
        assert isinstance(await place.ask("b", "/v1/sync", sync("b", boot="2")), Orders)
        status, why = _why(await place.ask("b", "/v1/sync", sync("b")))
        assert (status, "has ended" in why) == (Status.CONFLICT, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "driver_opts has no size"),
        ({"size": "lots"}, "is not a size"),
        ({"size": "1GiB", "fstype": "ntfs"}, "fstype 'ntfs' is not supported"),
        ({"sise": "1GiB"}, "did you mean 'size'"),
    ],
)
async def test_bad_options_are_refused_with_the_cure(
    ca: SwarmCa, tmp_path: Path, options: dict[str, str], message: str
) -> None:
    async with site(ca, tmp_path) as place:
        status, why = _why(await place.ask("b", "/v1/volumes/create", CreateVolume("data", options)))
        assert status == Status.BAD
        assert message in why
        assert place.cluster.store.volumes == {}


async def test_an_existing_volume_answers_the_same_options_and_refuses_others(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        first = await place.ask("b", "/v1/volumes/create", CreateVolume("data", OPTIONS))
        again = await place.ask("c", "/v1/volumes/create", CreateVolume("data", OPTIONS))
        assert isinstance(first, Volume)
        assert isinstance(again, Volume)
        assert (again.name, again.size_bytes) == (first.name, first.size_bytes)
        status, why = _why(await place.ask("b", "/v1/volumes/create", CreateVolume("data", {"size": "2GiB"})))
        assert status == Status.CONFLICT
        assert "size is 1073741824 bytes and not 2147483648 bytes" in why


async def test_a_volume_that_nobody_made_is_missing(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        assert _why(await place.ask("b", "/v1/volumes/get", GetVolume("none")))[0] == Status.MISSING
        assert await place.ask("b", "/v1/volumes/list", Empty()) == Volumes()


async def test_a_message_of_another_version_is_refused_as_such(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        context = client_context(ca.folder / "b")
        status, why = _why(await place._post(context, "/v1/volumes/get", b'{"name": "x", "colour": "red"}'))
        assert status == Status.BAD
        assert "`colour`" in why
        assert _why(await place._post(context, "/v9/new", b"{}"))[0] == Status.MISSING


async def test_a_worker_may_not_ask_what_managers_ask(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        status, why = _why(await place.ask("b", "/v1/manager/status", Empty()))
        assert (status, "no manager" in why) == (Status.FORBIDDEN, True)


async def test_a_caller_of_another_swarm_does_not_get_through_the_handshake(ca: SwarmCa, tmp_path: Path) -> None:
    stranger = SwarmCa.create(tmp_path / "other").issue("b")
    (stranger / "swarm-root-ca.crt").write_bytes((ca.folder / "ca.crt").read_bytes())
    async with site(ca, tmp_path) as place:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await place._post(client_context(stranger), "/v1/volumes/list", b"{}")


async def test_a_controller_that_does_not_act_says_who_does(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path, acting=False) as place:
        assert _why(await place.ask("b", "/v1/volumes/list", Empty()))[0] == Status.UNAVAILABLE
        place.lead.acting_address = "10.0.0.9:7490"
        answer = await place.ask("b", "/v1/volumes/list", Empty())
        assert answer == (Status.MISDIRECTED, Redirect("10.0.0.9:7490"))


async def test_a_long_poll_ends_when_the_controller_closes(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            waiting = group.create_task(place.ask("b", "/v1/sync", Sync("vm-b", "boot-b-1", "test", (), wait=60.0)))
            while place.controller.gates.newest(VmId("vm-b")) is None:
                await place.controller.board.changed.wait(1.0)
            place.controller.keeper.closing = True
            place.controller.board.changed.fire()
        assert waiting.result() == Orders()


async def test_the_door_explains_to_root_alone(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await granted(place)
        assert (place.door.stat().st_mode & 0o777) == 0o600
        status, body = await place.knock("/v1/manager/explain", Explain(DATA))
        found = msgspec.json.decode(body)
        assert status == Status.DONE
        assert found["volume"] == DATA
        assert [each["moment"] for each in found["history"]] == ["created", "attached", "granted"]
        assert found["grants"][0]["node"] == "host-b"
        assert found["attachments"] == [{"vm": "vm-b", "node": "host-b", "state": "attached", "epoch": 1}]
        status, body = await place.knock("/v1/manager/explain", Explain("none"))
        assert (status, b"known volumes: data" in body) == (Status.MISSING, True)


async def test_the_door_of_another_manager_asks_the_acting_controller(ca: SwarmCa, tmp_path: Path) -> None:
    ca.issue("m2", "swarm-manager")
    async with site(ca, tmp_path / "one") as place, site(ca, tmp_path / "two", node="m2", acting=False) as other:
        other.lead.acting_address = f"127.0.0.1:{place.port}"
        status, body = await other.knock("/v1/manager/status", Empty())
        assert status == Status.DONE
        assert msgspec.json.decode(body)["epoch"] == 1
        other.lead.acting_address = "127.0.0.1:1"
        assert (await other.knock("/v1/manager/status", Empty()))[0] == Status.UNAVAILABLE

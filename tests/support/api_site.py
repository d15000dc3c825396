"""
One controller that listens with real TLS, its certificates signed as Swarm does, and callers that ask it.

Node ``a`` is the manager it runs on, ``b`` and ``c`` are workers. Whoever has a certificate of the CA may be asked as.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from controller.api.listening.listener import IDLE, open_port, runner_of
from controller.api.listening.local_socket import LocalSocket, listening_socket
from controller.api.members import Members
from controller.api.routes import by_path
from controller.api.server import BODY_SECONDS, Api
from controller.model import NodeId, NodeState, TaskId
from controller.names import MANAGER_NAME
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.endpoint import Endpoint
from controller.protocol.identity import Peer, SwarmIdentity, client_context
from controller.protocol.messages import (
    CreateVolume,
    MountGrant,
    MountRequest,
    Orders,
    Pending,
    Problem,
    Redirect,
    Sync,
    Volume,
    VolumeReport,
)
from controller.settings import Settings
from tests.support.certificates import SwarmCa
from tests.support.fake_swarm import FakeLead
from tests.support.shell import DATA, Controller, FakeCluster

OPTIONS = {"size": "1GiB"}
TASK = TaskId("t1")


@dataclass
class Site:
    """``port`` of the API, ``door``: the unix socket."""

    cluster: FakeCluster
    controller: Controller
    identity: SwarmIdentity
    ca: SwarmCa
    port: int
    door: Path
    lead: FakeLead

    async def ask(self, node: str, endpoint: Endpoint[Any, Any], message: msgspec.Struct) -> object:
        """As the node of that name. What the endpoint answers, or (status, `Problem` or the like)."""
        return await self.send(node, endpoint, msgspec.json.encode(message))

    async def send(self, node: str, endpoint: Endpoint[Any, Any], body: bytes) -> object:
        context = client_context(self.ca.folder / node)
        return self.understood(endpoint, *await self.post(context, endpoint.path, body))

    async def post(self, context: ssl.SSLContext, path: str, body: bytes) -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"https://127.0.0.1:{self.port}{path}", data=body, ssl=context, server_hostname=MANAGER_NAME
            ) as answer,
        ):
            return answer.status, await answer.read()

    @staticmethod
    def understood(endpoint: Endpoint[Any, Any], status: int, body: bytes) -> object:
        forms: dict[int, Any] = {Status.PENDING: Pending, Status.MISDIRECTED: Redirect}
        if status == Status.DONE:
            return msgspec.json.decode(body, type=endpoint.answers[Status.DONE])
        return status, msgspec.json.decode(body, type=forms.get(status, Problem))

    async def knock(self, endpoint: Endpoint[Any, Any], message: msgspec.Struct) -> tuple[int, bytes]:
        """Through the unix socket."""
        connector = aiohttp.UnixConnector(str(self.door))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://door{endpoint.path}", data=msgspec.json.encode(message)) as answer,
        ):
            return answer.status, await answer.read()

    async def look(self) -> None:
        """Until the controller has seen what was changed in the swarm just now."""
        self.controller.state.wakeup("test")
        assert await self.controller.state.fresh_look(5.0) is not None

    async def wants(self, node: str, task: TaskId = TASK) -> None:
        """Swarm placed a task there that mounts the volume."""
        self.cluster.swarm.wants[DATA] = (task, NodeId(node))
        await self.look()

    async def granted(self, node: str = "b") -> MountGrant:
        """A volume made by its own node, wanted there and granted to it."""
        await self.wants(node)
        assert isinstance(await self.ask(node, endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)), Volume)
        assert isinstance(await self.ask(node, endpoints.SYNC, sync(node)), Orders)
        answer = await self.ask(node, endpoints.MOUNT, mount(node, wait=10.0))
        assert isinstance(answer, MountGrant), answer
        return answer

    async def remove_node(self, node: str) -> None:
        """`docker node rm --force`; its certificate stays valid."""
        del self.cluster.swarm.nodes[NodeId(node)]
        await self.look()

    async def change_node(self, node: str, *, manager: bool | None = None, state: NodeState | None = None) -> None:
        was = self.cluster.swarm.nodes[NodeId(node)]
        self.cluster.swarm.nodes[NodeId(node)] = replace(
            was, manager=was.manager if manager is None else manager, state=state or was.state
        )
        await self.look()


def swarm_ca(folder: Path) -> SwarmCa:
    made = SwarmCa.create(folder)
    for node, unit in (("a", "swarm-manager"), ("b", "swarm-worker"), ("c", "swarm-worker")):
        made.issue(node, unit)
    return made


def why(answer: object) -> tuple[int, str]:
    """The status and the sentence of a rejection."""
    assert isinstance(answer, tuple), answer
    status, problem = answer
    assert isinstance(problem, Problem | Pending)
    return status, problem.why


def mount(node: str, volume: str = DATA, wait: float = 0.0) -> MountRequest:
    return MountRequest(volume, f"vm-{node}", f"boot-{node}-1", wait)


def sync(node: str, *volumes: VolumeReport, boot: str = "1") -> Sync:
    return Sync(f"vm-{node}", f"boot-{node}-{boot}", "test", volumes, wait=0.0)


@asynccontextmanager
async def site(
    ca: SwarmCa,
    folder: Path,
    node: str = "a",
    *,
    acting: bool = True,
    idle: float = IDLE,
    body: float = BODY_SECONDS,
    settings: Settings | None = None,
) -> AsyncIterator[Site]:
    cluster = FakeCluster(settings)
    for worker in ("b", "c"):
        cluster.swarm.nodes[NodeId(worker)] = replace(cluster.swarm.nodes[NodeId(worker)], manager=False)
    controller = cluster.controller(node)
    identity = SwarmIdentity(ca.folder / node)
    door = folder / "run" / "door.sock"
    async with listening(controller, identity, door, idle, body) as port, asyncio.TaskGroup() as group:
        if acting:
            await controller.lead.take()
        cluster.acting = controller.gate_requests
        loop = group.create_task(controller.loop.run())
        yield Site(cluster, controller, identity, ca, port, door, controller.lead)
        controller.gate_requests.closing = True
        controller.state.changed.fire()
        loop.cancel()


@asynccontextmanager
async def listening(
    controller: Controller, identity: SwarmIdentity, path: Path, idle: float, body: float
) -> AsyncIterator[int]:
    """The API's port on loopback, and the unix socket at ``path``."""
    table = by_path(controller.routes())

    def identify(request: web.Request) -> Peer:
        assert request.transport is not None
        return identity.peer(request.transport.get_extra_info("ssl_object"))

    members = Members(controller.state)
    application = Api(table, controller.lead, members, "own:1", identify, body).application()
    api = runner_of(application, idle=idle, shutdown=0.1)
    local = LocalSocket(table, controller.lead, "own:1", lambda: identity.me, lambda: identity.client)
    own = web.AppRunner(local.application(), shutdown_timeout=0.1)
    await api.setup()
    await own.setup()
    await open_port(api, "127.0.0.1", 0, identity.server)
    await web.SockSite(own, listening_socket(path)).start()
    try:
        yield api.addresses[0][1]
    finally:
        await api.cleanup()
        await own.cleanup()

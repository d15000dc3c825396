"""
What the pictures show: a controller on a storage in memory, brought into each situation, and its page.

The loop, the planner, the records, and what answers `/ui` are the controller's own. Swarm and the gates are played.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from controller.api.listening.local_socket import LocalSocket
from controller.api.routes import by_path
from controller.api.viewing.http import Viewing
from controller.model import NodeId, TaskId, VmId, VolumeName
from controller.protocol.identity import Peer, Role
from controller.protocol.operator import Pause
from tests.pictures.played_swarm import BOARDS, CACHE, NODES, SHOP, Cluster, greet
from tests.support.http_site import served
from tests.support.shell import Scene, scene

_ME = Peer(NodeId(NODES[0]), Role.MANAGER, "pictures")


async def healthy(made: Scene) -> None:
    """Three services run; one was moved when its node lost its power, which is back."""
    for volume, node in ((SHOP, "node1"), (CACHE, "node2"), (BOARDS, "node3")):
        await made.make(volume)
        await run(made, volume, node, "1")
    made.cluster.crash("node1")
    made.cluster.down("node1")
    await run(made, SHOP, "node2", "2")
    made.boot("node1", "boot-node1-2")
    await _until(lambda: not made.cluster.swarm.nodes[NodeId("node1")].labelled)
    await greet(made)


async def failover(made: Scene) -> None:
    """The node under a database lost its power; its disk is on the way."""
    await healthy(made)
    assert isinstance(made.cluster, Cluster)
    made.cluster.attaches.clear()
    made.cluster.crash("node2")
    made.cluster.down("node2")
    for volume in (SHOP, CACHE):
        made.want("node3", f"{volume}-3", volume)


async def held(made: Scene) -> None:
    """Swarm calls a node down, and the hypervisor cannot see its VM: it may still write."""
    await healthy(made)
    made.cluster.gates[NodeId("node2")].frozen = True
    made.cluster.storage.vms[VmId("vm-node2")].connected = False
    made.cluster.down("node2")
    made.want("node3", "shop-3", SHOP)


async def paused(made: Scene) -> None:
    """A person works on the storage; a node dies meanwhile."""
    await healthy(made)
    await made.operator_requests.pause(Pause("Ann: new firmware for the storage, until noon"))
    made.cluster.crash("node2")
    made.cluster.down("node2")
    made.want("node3", "shop-3", SHOP)


async def storage_away(made: Scene) -> None:
    """A node dies, and the storage's list cannot be had."""
    await healthy(made)
    made.cluster.storage.away = True
    made.cluster.crash("node2")
    made.cluster.down("node2")
    made.want("node3", "shop-3", SHOP)


async def no_quorum(made: Scene) -> None:
    """Two of three managers are gone: no write of a record succeeds, and who acted has stopped to."""
    made.cluster.swarm.unread = True
    made.one.records.reachable = False
    made.one.lead.epoch = None


@dataclass(frozen=True)
class Picture:
    """``says``: what its page has to say, or there is no picture. A page that is higher is cut off. Pixels."""

    situation: Callable[[Scene], Awaitable[None]]
    says: tuple[str, ...]
    width: int = 900
    height: int = 1500


PHONE = (390, 844)

PICTURES: Mapping[str, Picture] = {
    "healthy": Picture(healthy, ("node1 to node2", "powered-off", "<td>node1</td><td>ready</td>", "Nothing found")),
    "failover": Picture(failover, ("attached nowhere and wanted on node node3", "not over", "detached")),
    "held": Picture(held, ("reberth confirm-dead node2", "Unknown is never taken for dead")),
    "held-on-a-phone": Picture(held, ("reberth confirm-dead node2",), *PHONE),
    "paused": Picture(paused, ("Paused: Ann: new firmware", "reberth resume")),
    "storage-away": Picture(storage_away, ("class=bad>the storage",)),
    "no-quorum": Picture(no_quorum, ("no controller acts just now",)),
}


async def run(made: Scene, volume: VolumeName, node: str, task: str) -> None:
    """A task that mounts the volume there, until it runs."""
    name = f"{volume}-{task}"
    made.want(node, name, volume)
    await made.until((node,), volume)
    made.cluster.swarm.started.add(TaskId(name))


async def _until(is_so: Callable[[], bool]) -> None:
    while True:
        if is_so():
            return
        await asyncio.sleep(0.05)


@asynccontextmanager
async def page_of(picture: Picture) -> AsyncIterator[str]:
    """The address of the page of a controller in that situation, once it says what it has to."""
    async with scene(Cluster(), NODES) as made:
        made.spawn(made.watch(made.one))
        application = web.Application()
        local = LocalSocket(by_path(made.one.routes()), made.one.lead, "own:1", lambda: _ME, _another)
        Viewing(local.ask, made.one.state.clock, made.one.state.wall).join(application)
        await picture.situation(made)
        async with served(application) as url:
            yield f"{url}/ui?still"


def _another() -> ssl.SSLContext:
    raise AssertionError("there is no other controller to ask")

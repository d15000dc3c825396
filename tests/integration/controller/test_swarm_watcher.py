"""The watcher on a real dockerd: what wakes it, and that the lists it reads are the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiodocker
import pytest

from controller.model import NodeState, VolumeName
from tests.support.dockerd import OneNodeSwarm
from watchers.base import SwarmManagers, SwarmUnread
from watchers.claims import SwarmSnapshot
from watchers.swarm import Rhythm, SwarmWatcher

PGDATA = VolumeName("pgdata")


class Pokes:
    """What was poked, and a way to wait for a poke with a certain cause."""

    def __init__(self) -> None:
        self.causes: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, cause: str) -> None:
        self.causes.append(cause)
        self._news.set()

    async def until(self, part: str) -> None:
        async with asyncio.timeout(30):
            while not any(part in cause for cause in self.causes):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def watching(docker: aiodocker.Docker, rhythm: Rhythm | None = None) -> AsyncIterator[tuple[SwarmWatcher, Pokes]]:
    pokes = Pokes()
    watcher = SwarmWatcher(docker, pokes, rhythm, placed=lambda why: pokes(f"urgent: {why}"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watcher.run())
        await pokes.until("starts to listen")
        yield watcher, pokes
        task.cancel()


async def make_service(docker: aiodocker.Docker, name: str = "pg") -> str:
    """A service whose task stays pending: no node has its volume driver."""
    options = {"Name": "reberth", "Options": {"size": "1GiB"}}
    mount = {"Type": "volume", "Source": "pgdata", "Target": "/d", "VolumeOptions": {"DriverConfig": options}}
    container = {"Image": "none:1", "Mounts": [mount]}
    made = await docker.services.create(task_template={"ContainerSpec": container}, name=name)
    return str(made["ID"])


async def until_claimed(watcher: SwarmWatcher, pokes: Pokes) -> SwarmSnapshot:
    async with asyncio.timeout(30):
        while True:
            found = await watcher.snapshot()
            if PGDATA in found.claims({}):
                return found
            pokes.causes.clear()
            await pokes.until("")


async def test_a_swarm_of_one_node_is_seen_as_it_is(docker: aiodocker.Docker) -> None:
    watcher = SwarmWatcher(docker, Pokes())
    me = await watcher.me()
    assert await watcher.cluster() == (await docker.system.info())["Swarm"]["Cluster"]["ID"]
    found = await watcher.snapshot()
    node = found.nodes[me]

    assert (found.leader, await watcher.managers()) == (me, SwarmManagers(me, frozenset({me})))
    assert (node.hostname, node.state, node.manager, node.available) == ("manager-1", NodeState.READY, True, True)
    assert (found.claims({}), found.tasks) == ({}, ())


async def test_a_new_service_wakes_and_its_claim_is_found(docker: aiodocker.Docker) -> None:
    async with watching(docker) as (watcher, pokes):
        await make_service(docker)
        await pokes.until("service pg: create")
        found = await until_claimed(watcher, pokes)

    claim = found.claims({})[PGDATA]
    assert (claim.node, claim.conflict, [task.service for task in claim.tasks]) == (None, None, ["pg"])


async def test_a_task_that_appears_after_its_event_wakes_again(docker: aiodocker.Docker) -> None:
    """Nothing else tells of it: tasks have no events."""
    service = await make_service(docker)
    async with watching(docker) as (watcher, pokes):
        await until_claimed(watcher, pokes)
        await docker.services.update(service, version=await version(docker, service), image="other:1")
        await pokes.until("urgent: the wanted tasks changed")


async def version(docker: aiodocker.Docker, service: str) -> str:
    return str((await docker.services.inspect(service))["Version"]["Index"])


async def test_a_drained_node_wakes_and_is_not_available(docker: aiodocker.Docker) -> None:
    async with watching(docker) as (watcher, pokes):
        me = await watcher.me()
        node = await docker.nodes.inspect(node_id=me)
        await docker.nodes.update(
            node_id=me, version=node["Version"]["Index"], spec=node["Spec"] | {"Availability": "drain"}
        )
        await pokes.until("node manager-1: update")
        drained = (await watcher.snapshot()).nodes[me]
        node = await docker.nodes.inspect(node_id=me)
        await docker.nodes.update(
            node_id=me, version=node["Version"]["Index"], spec=node["Spec"] | {"Availability": "active"}
        )

    assert (drained.available, drained.state) == (False, NodeState.READY)


async def test_a_record_written_elsewhere_wakes_but_a_sign_of_life_and_configs_of_others_do_not(
    docker: aiodocker.Docker,
) -> None:
    async with watching(docker) as (_, pokes):
        for name in ("theirs", "reberth.leader", "reberth.node.n1"):
            await docker.configs.create(name, "text", labels={})
        await pokes.until("config reberth.node.n1: create")

    assert not any("theirs" in cause or "reberth.leader" in cause for cause in pokes.causes)


async def test_a_daemon_that_is_away_is_unread_and_not_empty() -> None:
    docker = aiodocker.Docker(url="unix:///nonexistent/docker.sock")
    try:
        with pytest.raises(SwarmUnread, match="cannot read Swarm's nodes, services and tasks"):
            await SwarmWatcher(docker, Pokes()).snapshot()
    finally:
        await docker.close()


async def test_a_daemon_outside_any_swarm_says_what_to_do(swarm: OneNodeSwarm) -> None:
    client = swarm.client()
    client.swarm.leave(force=True)
    docker = aiodocker.Docker(url=swarm.url)
    try:
        with pytest.raises(SwarmUnread, match="docker swarm join"):
            await SwarmWatcher(docker, Pokes()).me()
        with pytest.raises(SwarmUnread, match="not a swarm manager"):
            await SwarmWatcher(docker, Pokes()).snapshot()
    finally:
        await docker.close()
        client.swarm.init(advertise_addr="127.0.0.1")
        client.close()

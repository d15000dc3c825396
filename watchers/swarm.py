"""
Swarm's state: read it whole, and say when to look again.

Tasks have no events (moby#37403), and a task appears only 20 to 70 ms after the event of its node. So after each event
of a node or service the tasks are polled in quick succession, and whoever waits is poked when the wanted ones changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import inf

import aiodocker
import aiohttp

from controller.docker_http import read
from controller.model import Node, NodeId
from controller.names import LEADER_CONFIG
from controller.unchanged import Each, Once, Remembered
from watchers.base import SwarmManagers, SwarmUnread
from watchers.claims import WANTED, Claimant, SwarmSnapshot, decode_node, leader_of, may_mount
from watchers.docker_json import (
    DecodeError,
    RawNode,
    RawService,
    RawTask,
    info_from,
    nodes_from,
    services_from,
    tasks_from,
)
from watchers.events import DockerEvent, Gap, Heard, Pace, follow

_KINDS = ("node", "service", "config")
_Sign = frozenset[tuple[str, str]]  # task and node of all that are wanted
_MANY = 4000  # service IDs in one request; beyond, all tasks are asked for


@dataclass(frozen=True, slots=True)
class Rhythm:
    """
    Seconds. ``after_event``: when to look at the tasks after an event (rescheduled ones come 20 to 70 ms after it,
    a stop-first update takes up to the old container's stop grace); ``resync``: between looks when all is quiet;
    ``deadline``: for one reading of Swarm.
    """

    after_event: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.11, 0.15, 0.25, 0.5, 1.0, 2.0, 4.0, 7.0)
    resync: float = 10.0
    deadline: float = 5.0
    stream: Pace = field(default_factory=Pace)


class SwarmWatcher:
    """
    Reads Swarm through any manager's Docker socket.

    ``docker`` stays the caller's; ``label``: that of dead nodes; ``placed``: is poked when the wanted tasks changed.
    """

    def __init__(
        self,
        docker: aiodocker.Docker,
        poke: Callable[[str], None],
        rhythm: Rhythm | None = None,
        wall: Callable[[], float] = time.time,
        label: str = "",
        placed: Callable[[str], None] | None = None,
    ) -> None:
        self._docker = docker
        self._poke = poke
        self._placed = placed or poke
        self._rhythm = rhythm if rhythm is not None else Rhythm()
        self._wall = wall
        self._event = asyncio.Event()
        self._services: tuple[str, ...] = ()
        self._read_nodes = Remembered(partial(_nodes, Each(decode_node), label))
        self._read_services = Remembered(_services)
        self._read_tasks = Remembered(_tasks)
        self._claimant = Claimant()
        self._sign = Once(_sign)
        self._last = SwarmSnapshot({}, None)
        self._wanted: _Sign = frozenset()
        self._reads = 0  # snapshots that are being read
        self._begun = 0  # of all
        self._none_read = asyncio.Event()
        self._none_read.set()

    async def me(self) -> NodeId:
        """The daemon's own node. Raises SwarmUnread, also when it is not part of a swarm."""
        async with self._reading("who this node is"):
            found = info_from(await read(self._docker, "info")).swarm
        if not found.node_id:
            raise SwarmUnread("this Docker daemon is in no swarm: run `docker swarm init` or `docker swarm join`")
        return NodeId(found.node_id)

    async def cluster(self) -> str:
        """The swarm's own ID, which it keeps for life. Raises SwarmUnread."""
        async with self._reading("which swarm this is"):
            found = info_from(await read(self._docker, "info")).swarm.cluster
        if found is None or not found.id:
            raise SwarmUnread("Docker does not tell the swarm's ID: this is no manager, or the managers have no quorum")
        return found.id

    async def managers(self) -> SwarmManagers:
        """Raises SwarmUnread."""
        async with self._reading("Swarm's managers"):
            return _managers(nodes_from(await read(self._docker, "nodes", {"role": ["manager"]})))

    async def snapshot(self) -> SwarmSnapshot:
        """Nodes, services and wanted tasks, read one right after the other. Raises SwarmUnread."""
        self._reads += 1
        self._begun += 1
        self._none_read.clear()
        try:
            async with self._reading("Swarm's nodes, services and tasks"):
                nodes = self._read_nodes(await read(self._docker, "nodes"))
                services = self._read_services(await read(self._docker, "services"))
                self._services = tuple(found.id for found in services)
                # Last: a task seen must not be of a node or service too new to be in the lists before.
                tasks = await self._tasks()
            self._wanted = self._sign(tasks)
        finally:
            self._reads -= 1
            if not self._reads:
                self._none_read.set()
        last = self._last
        if last.nodes is not nodes.by_id or last.services is not services or last.tasks is not tasks:
            last = self._last = SwarmSnapshot(nodes.by_id, nodes.leader, services, tasks, self._claimant)
        return last

    async def run(self) -> None:
        """Poke when something changed, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._docker, _KINDS, self._hear, self._wall, self._rhythm.stream))
            group.create_task(self._watch_tasks())

    def _hear(self, heard: Heard) -> None:
        match heard:
            case Gap(why):
                self._poke(why)
            # The sign of life of who acts, every few seconds, is no news.
            case DockerEvent(kind="config", name=name) if name == LEADER_CONFIG or not name.startswith("reberth."):
                return
            case DockerEvent():
                self._poke(f"{heard.kind} {heard.name or heard.id}: {heard.action}")
        self._event.set()

    async def _watch_tasks(self) -> None:
        while True:
            await self._quiet(self._rhythm.resync)
            if self._event.is_set():
                await self._burst()
            else:
                await self._look("periodic look")

    async def _burst(self) -> None:
        self._event.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for offset, following in pairwise((*self._rhythm.after_event, inf)):
            if await self._quiet(began + offset - loop.time()):
                return  # a newer event starts anew
            if began + following > loop.time():  # else the next one is due, too
                await self._look("the wanted tasks changed")

    async def _quiet(self, seconds: float) -> bool:
        """Whether an event came within these seconds."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

    async def _look(self, why: str) -> None:
        """After the snapshot that is being read, if one is: what that sees as well is no news, nor read twice."""
        while True:
            await self._none_read.wait()
            begun = self._begun
            try:
                async with self._reading("Swarm's tasks"):
                    found = self._sign(await self._tasks())
            except SwarmUnread:
                return  # the loop's own look will say so
            if begun == self._begun:
                break  # else the answer may be older than that snapshot
        if found != self._wanted:
            self._wanted = found
            self._placed(why)

    async def _tasks(self) -> tuple[RawTask, ...]:
        if not self._services:
            return ()
        filters: dict[str, list[str]] = {"desired-state": list(WANTED)}
        if len(self._services) <= _MANY:
            filters["service"] = list(self._services)
        return self._read_tasks(await read(self._docker, "tasks", filters))

    @asynccontextmanager
    async def _reading(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._rhythm.deadline):
                yield
        except aiodocker.DockerError as error:
            raise SwarmUnread(f"cannot read {what}: {error.message}") from error
        except TimeoutError as error:
            raise SwarmUnread(f"cannot read {what}: no answer within {self._rhythm.deadline:g} s") from error
        except (aiohttp.ClientError, OSError, DecodeError) as error:
            raise SwarmUnread(f"cannot read {what}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Nodes:
    by_id: Mapping[NodeId, Node]
    leader: NodeId | None


def _nodes(decode: Each[[RawNode, str], Node], label: str, answer: bytes) -> _Nodes:
    """What did not change is the very same node: one event is about one of them."""
    found = nodes_from(answer)
    by_id = {NodeId(raw.id): decode(raw.id, raw, label) for raw in found}
    decode.turn()
    return _Nodes(by_id, leader_of(found))


def _managers(nodes: Sequence[RawNode]) -> SwarmManagers:
    reachable = (raw.id for raw in nodes if raw.manager_status and raw.manager_status.reachability == "reachable")
    return SwarmManagers(leader_of(nodes), frozenset(NodeId(each) for each in reachable))


def _services(answer: bytes) -> tuple[RawService, ...]:
    return tuple(found for found in services_from(answer) if may_mount(found))


def _tasks(answer: bytes) -> tuple[RawTask, ...]:
    return tasks_from(answer)


def _sign(tasks: Iterable[RawTask]) -> _Sign:
    """What a claim depends on, and no more: a task's way from preparing to running is no news."""
    return frozenset((task.id, task.node_id) for task in tasks)

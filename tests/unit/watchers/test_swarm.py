"""Polls of the tasks come after the snapshot that is being read: what that sees as well is no news, nor read twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiodocker
import pytest
from aiohttp import web

from controller.model import NodeId, NodeState
from tests.support.http_site import served
from tests.support.swarm_json import mount, mounting, said, service, task
from watchers.base import SwarmUnread
from watchers.events import Pace
from watchers.swarm import Rhythm, SwarmWatcher

SERVICES = said(service(TaskTemplate=mounting(mount())))
BEFORE, AFTER = said(task("t1")), said(task("t2", "n2"))
ONE_POLL = Rhythm(after_event=(0.0,), resync=60.0)
MANY_POLLS = Rhythm(after_event=(0.0, 0.01, 0.02, 0.03, 60.0), resync=60.0, stream=Pace(retry=60.0, retry_limit=60.0))
BEHIND = 0.1  # seconds after which all but the last of these are due


@dataclass
class Docker:
    """Answers as it is told: the tasks as they are when it is asked, which a held answer still has later."""

    tasks: bytes = BEFORE
    nodes: bytes = b"[]"
    held: dict[str, asyncio.Event] = field(default_factory=dict)  # what is next not answered, until that
    asked: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)  # something was asked
    away: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        what = request.path.rpartition("/")[2]
        self.asked.append(what)
        self.news.set()
        lists = {"nodes": self.nodes, "services": SERVICES, "tasks": self.tasks}
        if what == "version":
            return web.json_response({"ApiVersion": "1.41"})
        if what in self.held:
            await self.held.pop(what).wait()
        if what == "events" or self.away:
            return web.json_response({"message": "away"}, status=503)
        return web.Response(body=lists[what], content_type="application/json")

    async def until(self, what: str, times: int) -> None:
        async with asyncio.timeout(10):
            while self.asked.count(what) < times:
                self.news.clear()
                await self.news.wait()


@dataclass
class Scene:
    docker: Docker
    watcher: SwarmWatcher
    placed: list[str]

    @property
    def polled(self) -> int:
        return self.docker.asked.count("tasks")

    async def poll(self) -> None:
        """A poll of the tasks comes to its end."""
        async with self.polling():
            await self.docker.until("tasks", self.polled + 1)
            await asyncio.sleep(0.05)  # until the watcher has read the answer

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(self.watcher.run())
            yield
            polling.cancel()


@asynccontextmanager
async def scene(rhythm: Rhythm = ONE_POLL) -> AsyncIterator[Scene]:
    """The watcher has read a snapshot, and polls as soon as it runs."""
    docker, application, placed = Docker(), web.Application(), list[str]()
    application.router.add_get("/{path:.*}", docker.answer)
    async with served(application) as url, aiodocker.Docker(url=url) as client:
        watcher = SwarmWatcher(client, lambda _: None, rhythm, placed=placed.append)
        await watcher.snapshot()
        yield Scene(docker, watcher, placed)


async def held(made: Scene, what: str) -> tuple[asyncio.Task[object], asyncio.Event]:
    """A snapshot that is held at one of its lists, until the event."""
    free = made.docker.held[what] = asyncio.Event()
    before = made.docker.asked.count(what)
    reading = asyncio.ensure_future(made.watcher.snapshot())
    await made.docker.until(what, before + 1)
    return reading, free


@asynccontextmanager
async def beside(made: Scene, what: str) -> AsyncIterator[asyncio.Task[object]]:
    """A snapshot that is held at one of its lists, while the watcher wants to poll, and the tasks change."""
    reading, free = await held(made, what)
    polled = made.polled
    made.docker.tasks = AFTER
    async with made.polling():
        await asyncio.sleep(BEHIND)
        assert (made.polled, made.placed) == (polled, [])
        free.set()
        yield reading
        await made.docker.until("tasks", polled + 1)
        await asyncio.sleep(0.05)


async def test_what_the_snapshot_sees_as_well_is_not_told() -> None:
    """Its list of tasks is asked for last: the loop is looking at what it would be woken for."""
    async with scene() as made:
        async with beside(made, "nodes") as reading:
            await reading

        assert made.placed == []


async def test_what_came_after_the_snapshots_list_is_told_when_that_was_read() -> None:
    async with scene() as made:
        async with beside(made, "tasks") as reading:
            await reading

        assert made.placed == ["the wanted tasks changed"]


async def test_what_a_snapshot_that_fails_has_not_seen_is_told() -> None:
    async with scene() as made:
        async with beside(made, "nodes") as reading:
            made.docker.away = True
            with pytest.raises(SwarmUnread):
                await reading
            made.docker.away = False

        assert made.placed == ["the wanted tasks changed"]


@pytest.mark.parametrize("late", [False, True], ids=["answered before it", "answered after it"])
async def test_a_poll_that_a_snapshot_came_into_is_asked_again_after_it(late: bool) -> None:
    """Its answer may be older than what the snapshot has seen; and if it is not, the loop sees it in the snapshot."""
    async with scene() as made:
        poll = made.docker.held["tasks"] = asyncio.Event()
        made.docker.tasks = BEFORE if late else AFTER
        async with made.polling():
            await made.docker.until("tasks", 2)
            made.docker.tasks = AFTER
            reading, free = await held(made, "nodes")
            (free if late else poll).set()
            await (reading if late else asyncio.sleep(BEHIND))
            assert made.placed == []
            (poll if late else free).set()
            await reading
            await made.docker.until("tasks", 4)
            await asyncio.sleep(0.05)

        assert made.placed == []


async def test_polls_that_became_due_behind_a_snapshot_are_one() -> None:
    """The one that waited, and the last that is due by then."""
    async with scene(MANY_POLLS) as made:
        reading, free = await held(made, "nodes")
        async with made.polling():
            await made.docker.until("events", 1)
            await asyncio.sleep(BEHIND)
            free.set()
            await reading
            await made.docker.until("tasks", 4)
            await asyncio.sleep(BEHIND)

        assert made.polled == 4  # with one of each snapshot


async def test_a_change_beside_no_snapshot_is_told_at_once_and_once() -> None:
    async with scene() as made:
        made.docker.tasks = AFTER
        await made.poll()

        assert made.placed == ["the wanted tasks changed"]


async def test_a_node_of_which_nothing_changed_stays_the_very_same() -> None:
    """Whatever rests on it need not be worked out again, because another one went down."""
    async with scene() as made:
        made.docker.nodes = said({"ID": "n1"}, {"ID": "n2"})
        before = await made.watcher.snapshot()
        made.docker.nodes = said({"ID": "n1"}, {"ID": "n2", "Status": {"State": "down"}})
        after = await made.watcher.snapshot()

        assert after.nodes[NodeId("n1")] is before.nodes[NodeId("n1")]
        assert after.nodes[NodeId("n2")].state is NodeState.DOWN

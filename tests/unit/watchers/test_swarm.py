"""What polls of the tasks see while a snapshot is being read is told only if the snapshot has not seen it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiodocker
import pytest
from aiohttp import web

from tests.support.http_site import served
from tests.support.swarm_json import mount, mounting, said, service, task
from watchers.base import SwarmUnread
from watchers.swarm import Rhythm, SwarmWatcher

SERVICES = said(service(TaskTemplate=mounting(mount())))
BEFORE, AFTER = said(task("t1")), said(task("t2", "n2"))
ONE_POLL = Rhythm(after_event=(0.0,), resync=60.0)


@dataclass
class Docker:
    """Answers as it is told: the tasks as they are when it is asked, which a held answer still has later."""

    tasks: bytes = BEFORE
    held: str = ""  # what is not answered until `free`
    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)  # something was asked
    away: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        what = request.path.rpartition("/")[2]
        self.asked.append(what)
        self.news.set()
        lists = {"nodes": b"[]", "services": SERVICES, "tasks": self.tasks}
        if what == "version":
            return web.json_response({"ApiVersion": "1.41"})
        if what == self.held:
            self.held = ""
            await self.free.wait()
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

    async def poll(self) -> None:
        """A poll of the tasks comes to its end."""
        polls = self.docker.asked.count("tasks") + 1
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(self.watcher.run())
            await self.docker.until("tasks", polls)
            await asyncio.sleep(0.05)  # until the watcher has read the answer
            polling.cancel()


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """The watcher has read a snapshot, and polls once as soon as it runs."""
    docker, application, placed = Docker(), web.Application(), list[str]()
    application.router.add_get("/{path:.*}", docker.answer)
    async with served(application) as url, aiodocker.Docker(url=url) as client:
        watcher = SwarmWatcher(client, lambda _: None, ONE_POLL, placed=placed.append)
        await watcher.snapshot()
        yield Scene(docker, watcher, placed)


async def beside(made: Scene, held: str, during: bytes) -> asyncio.Task[object]:
    """A snapshot that is held at one of its lists, and a poll beside it that sees ``during``."""
    made.docker.held = held
    before = made.docker.asked.count(held)
    reading = asyncio.ensure_future(made.watcher.snapshot())
    await made.docker.until(held, before + 1)
    made.docker.tasks = during
    await made.poll()
    assert made.placed == []
    made.docker.free.set()
    return reading


async def test_what_the_snapshot_sees_as_well_is_not_told() -> None:
    """Its list of tasks is asked for last: the loop is looking at what it would be woken for."""
    async with scene() as made:
        await (await beside(made, "nodes", AFTER))

        assert made.placed == []


async def test_what_came_after_the_snapshots_list_is_told_when_that_was_read() -> None:
    async with scene() as made:
        await (await beside(made, "tasks", AFTER))

        assert made.placed == ["the wanted tasks changed"]


async def test_what_a_snapshot_that_fails_has_not_seen_is_told() -> None:
    async with scene() as made:
        reading = await beside(made, "nodes", AFTER)
        made.docker.away = True
        with pytest.raises(SwarmUnread):
            await reading

        assert made.placed == ["the wanted tasks changed"]


async def test_a_change_beside_no_snapshot_is_told_at_once_and_once() -> None:
    async with scene() as made:
        made.docker.tasks = AFTER
        await made.poll()

        assert made.placed == ["the wanted tasks changed"]

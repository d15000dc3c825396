"""Following Docker's events: reconnects, distrusts silence, and says when something may have been missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiodocker
import pytest
from aiodocker.channel import Channel

from watchers.events import DockerEvent, Gap, Heard, Pace, follow

PACE = Pace()


class FakeEvents:
    """Docker's /events: each connection waits for what the test sends, or breaks at once."""

    def __init__(self) -> None:
        self.channel = Channel()  # type: ignore[no-untyped-call] # aiodocker's events are untyped
        self.sent: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.connections: list[dict[str, str]] = []
        self.broken = False

    def subscribe(self, *, create_task: bool) -> object:
        assert not create_task
        return self.channel.subscribe()

    async def run(self, **params: str) -> None:
        self.connections.append(params)
        try:
            if self.broken:
                raise aiodocker.DockerError(900, "cannot connect")
            while (event := await self.sent.get()) is not None:
                await self.channel.publish(event)
        finally:
            await self.channel.publish(None)


class FakeDocker:
    def __init__(self) -> None:
        self.events = FakeEvents()


@asynccontextmanager
async def following(docker: FakeDocker) -> AsyncIterator[list[Heard]]:
    heard: list[Heard] = []
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        client = cast("aiodocker.Docker", docker)
        task = group.create_task(follow(client, ("node", "service"), heard.append, lambda: 1000 + loop.time()))
        await asyncio.sleep(0.01)
        yield heard
        task.cancel()


def node_event(name: str = "n1") -> dict[str, Any]:
    attributes = {"name": "swarm01", "state.new": "down", "state.old": "ready"}
    return {"Type": "node", "Action": "update", "Actor": {"ID": name, "Attributes": attributes}}


@pytest.mark.looptime
async def test_a_connection_begins_with_the_order_to_list() -> None:
    async with following(FakeDocker()) as heard:
        assert heard == [Gap("the controller starts to listen")]


@pytest.mark.looptime
async def test_an_event_is_heard_at_once() -> None:
    docker = FakeDocker()
    async with following(docker) as heard:
        docker.events.sent.put_nowait(node_event())
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        attributes = {"name": "swarm01", "state.new": "down", "state.old": "ready"}
        assert heard[1:] == [DockerEvent("node", "update", "n1", "swarm01", attributes)]


@pytest.mark.looptime
async def test_a_stream_that_ends_is_made_anew_after_a_moment() -> None:
    docker = FakeDocker()
    async with following(docker) as heard:
        docker.events.sent.put_nowait(None)
        await asyncio.sleep(1)
        assert heard[1:] == [Gap("Docker ended the event stream")]
        assert len(docker.events.connections) == 2


@pytest.mark.looptime
async def test_silence_makes_the_stream_anew() -> None:
    docker = FakeDocker()
    async with following(docker) as heard:
        await asyncio.sleep(PACE.inactivity + 1)
        assert heard[1:] == [Gap("nothing was heard from Docker for 30 s")]


@pytest.mark.looptime
async def test_each_event_puts_off_the_distrust_of_silence() -> None:
    docker = FakeDocker()
    async with following(docker) as heard:
        for _ in range(5):
            await asyncio.sleep(PACE.inactivity - 1)
            docker.events.sent.put_nowait(node_event())
        await asyncio.sleep(1)
        assert sum(isinstance(each, Gap) for each in heard) == 1


@pytest.mark.looptime
async def test_a_daemon_that_is_away_is_tried_less_and_less_often_but_for_ever() -> None:
    docker = FakeDocker()
    docker.events.broken = True
    async with following(docker) as heard:
        await asyncio.sleep(100)
        tried = len(docker.events.connections)
        assert 20 <= tried <= 60
        assert heard[-1] == Gap("Docker's event stream broke: [900] cannot connect")
        docker.events.broken = False
        docker.events.sent.put_nowait(node_event())
        await asyncio.sleep(PACE.retry_limit)
        assert isinstance(heard[-1], DockerEvent)


@pytest.mark.looptime
async def test_a_connection_asks_for_what_happened_since_just_before_the_last_one() -> None:
    docker = FakeDocker()
    async with following(docker):
        for _ in range(2):
            await asyncio.sleep(10)
            docker.events.sent.put_nowait(None)
        await asyncio.sleep(1)
        assert json.loads(docker.events.connections[0]["filters"]) == {"type": ["node", "service"]}
        asked = [float(connection["since"]) for connection in docker.events.connections]
        assert asked[:2] == pytest.approx([998, 998])
        # The one before ended after 10.01 s, with nothing heard: then 0.4 s times 0.5 to 1; less 2 s of overlap.
        assert 1008.21 - 1e-3 <= asked[2] <= 1008.41 + 1e-3

"""
``GET /v1/events`` for who accepts ``text/event-stream``: server-sent events, for a browser's EventSource or `curl -N`.

Each has the entry's time as its ``id``: who comes again with ``Last-Event-ID`` gets what was written since. A line of
comment every 15 s shows that the stream lives. Only so many may follow at once; who reads too slowly is sent away, and
all are when the controller ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from aiohttp import web

from controller.api.server import reply
from controller.api.viewing.feed import Ask, EventFeed, Key, key
from controller.api.viewing.reads import STREAM
from controller.protocol.answers import Rejection, Status
from controller.protocol.operator import Events
from controller.protocol.views import EventView

MOST = 16
NEVER = 2.0**52  # later than anything: who says no time gets what comes from now on
ALIVE_SECONDS = 15.0
WRITE_SECONDS = 10.0  # in which a peer must have taken what was written


class Streams:
    def __init__(self, feed: EventFeed, ask: Ask, alive: float = ALIVE_SECONDS) -> None:
        """``alive``: seconds without an event until a line of comment is written."""
        self._feed = feed
        self._ask = ask
        self._alive = alive
        self._open = 0
        self._closing = asyncio.Event()

    async def close(self, _: web.Application) -> None:
        self._closing.set()

    async def follow(self, request: web.Request, asked: Events) -> web.StreamResponse:
        if self._open >= MOST or self._closing.is_set():
            return reply(Rejection(Status.UNAVAILABLE, f"{self._open} follow already, {MOST} may: try again later"))
        self._open += 1
        try:
            return await self._begin(request, asked)
        finally:
            self._open -= 1

    async def _begin(self, request: web.Request, asked: Events) -> web.StreamResponse:
        await self._feed.refresh()
        number, asked = self._feed.number, _resumed(asked, request.headers.get("Last-Event-ID", ""))
        earlier = await self._ask(Events(asked.volume, asked.since or NEVER))
        if isinstance(earlier, str):
            return reply(Rejection(Status.UNAVAILABLE, earlier))
        response = web.StreamResponse(headers={"Content-Type": STREAM, "Cache-Control": "no-store"})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            await _write(response, ": reberth\n\n" + _lines(earlier.events))
            await self._go_on(request, response, number, asked.volume, {key(each) for each in earlier.events})
        except (ConnectionError, TimeoutError):
            pass  # it went away, or does not read
        return response

    async def _go_on(
        self, request: web.Request, response: web.StreamResponse, number: int, volume: str, told: set[Key]
    ) -> None:
        clock = asyncio.get_running_loop().time
        written, problem = clock(), None
        while not self._closing.is_set() and request.transport is not None:  # None: it went away
            await self._feed.refresh()
            events = self._feed.after(number)
            if events is None:
                await _write(response, _named("lost", "it was read too slowly: begin again"))
                return
            text = _lines(each for each in events if volume in {"", each.volume} and key(each) not in told)
            text += _new_problem(problem, self._feed.problem)
            number, problem = self._feed.number, self._feed.problem
            if text or clock() - written >= self._alive:
                await _write(response, text or ": alive\n\n")
                written = clock()
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._closing.wait()
        except TimeoutError:
            pass


def _resumed(asked: Events, last: str) -> Events:
    """A browser that lost the connection says the last id that it has seen."""
    try:
        return msgspec.convert({"volume": asked.volume, "since": float(last)}, Events) if last else asked
    except (ValueError, msgspec.ValidationError):
        return asked


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(text.encode())


def _lines(events: Iterable[EventView]) -> str:
    """JSON has no line breaks of its own, so one line of data is enough."""
    return "".join(f"id: {each.at!r}\ndata: {msgspec.json.encode(each).decode()}\n\n" for each in events)


def _new_problem(before: str | None, now: str | None) -> str:
    return "" if now is None or now == before else _named("problem", now)


def _named(event: str, why: str) -> str:
    return f"event: {event}\ndata: {msgspec.json.encode({'why': why}).decode()}\n\n"

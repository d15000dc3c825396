"""
The read-only way in for programs and browsers: GET on the metrics port, for whom the guard lets in.

Any manager answers: one that does not act asks the one that does. What is asked again within a second is answered from
memory, and one question is under way at a time, so a stranger on that port cannot keep the controller busy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from aiohttp import web

from controller.api.server import reply
from controller.api.viewing.feed import EventFeed
from controller.api.viewing.guard import CHALLENGE, Guard
from controller.api.viewing.openapi import PATH, document
from controller.api.viewing.page import HEADERS, Shown, page
from controller.api.viewing.reads import READS, STREAM, Read
from controller.api.viewing.stream import ALIVE_SECONDS, Streams
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status
from controller.protocol.endpoint import Answer, Asked, Endpoint
from controller.protocol.messages import Empty, Problem
from controller.protocol.views import EventsView

Ask = Callable[[str, bytes], Awaitable[web.Response]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEPT_SECONDS = 1.0
_MOST_KEPT = 64
_MOST_HELD = 20  # volumes whose cure the page asks for
_FINE = {"ok", "starting", "kept"}


class Viewing:
    """``ask``: a path of the protocol and a request's JSON -> the acting controller's answer."""

    def __init__(
        self,
        ask: Ask,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        guard: Guard | None = None,
        alive: float = ALIVE_SECONDS,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._guard = Guard() if guard is None else guard
        self._streams = Streams(EventFeed(self._events, clock, wall), self._events, alive)
        self._kept: dict[tuple[str, bytes], tuple[float, int, bytes]] = {}
        self._one = asyncio.Lock()

    def join(self, application: web.Application) -> None:
        """Its routes; streams end when the application does."""
        application.add_routes(self.routes())
        application.on_shutdown.append(self._streams.close)

    def routes(self) -> Iterable[web.RouteDef]:
        yield from (web.get(each.path, self._guarded(self._reader(each))) for each in READS)
        yield web.get(PATH, self._guarded(self._document))
        yield web.get("/ui", self._guarded(self._page))

    def _guarded(self, answer: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            refused = self._guard.refusal(request.headers)
            if refused is None:
                return await answer(request)
            response = reply(refused)
            if refused.status is Status.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = CHALLENGE
            return response

        return guarded

    def _reader(self, read: Read) -> _Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                asked = read.request({**request.query, **request.match_info})
            except msgspec.ValidationError as error:
                return reply(Rejection(Status.BAD, f"a parameter is wrong: {error}"))
            if isinstance(asked, operator.Events) and STREAM in request.headers.get("Accept", ""):
                return await self._streams.follow(request, asked)
            status, body = await self._answered(read.endpoint.path, asked)
            if status == Status.DONE and read.picked is not None:
                found = msgspec.json.decode(body, type=read.endpoint.answers[Status.DONE])
                body = msgspec.json.encode(read.picked(found))
            return web.Response(status=status, body=body, content_type="application/json")

        return answer

    async def _document(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(document()), content_type="application/json")

    async def _page(self, request: web.Request) -> web.Response:
        found = await self._shown()
        status = Status.UNAVAILABLE if found.status is None else Status.DONE
        text = page(found, still="still" in request.query)
        return web.Response(status=status, text=text, content_type="text/html", headers=HEADERS)

    async def _shown(self) -> Shown:
        status = await self._view(operator.STATUS, Empty())
        if isinstance(status, str):
            return Shown(None, why=status)
        moves = await self._view(operator.HISTORY, operator.History())
        doctor = await self._view(operator.DOCTOR, Empty())
        held = [each.volume for each in status.volumes if each.state not in _FINE][:_MOST_HELD]
        told = [await self._view(operator.EXPLAIN, operator.Explain(each)) for each in held]
        return Shown(
            status,
            () if isinstance(moves, str) else moves.moves,
            doctor if isinstance(doctor, str) else doctor.findings,
            tuple(each for each in told if not isinstance(each, str)),
        )

    async def _events(self, asked: operator.Events) -> EventsView | str:
        return await self._view(operator.EVENTS, asked)

    async def _view(self, endpoint: Endpoint[Asked, Answer], asked: Asked) -> Answer | str:
        """Or why there is no answer."""
        status, body = await self._answered(endpoint.path, asked)
        if status != Status.DONE:
            return msgspec.json.decode(body, type=Problem).why
        return msgspec.json.decode(body, type=endpoint.answers[Status.DONE])

    async def _answered(self, path: str, asked: msgspec.Struct) -> tuple[int, bytes]:
        key = (path, msgspec.json.encode(asked))
        async with self._one:
            kept = self._kept.get(key)
            if kept is not None and self._clock() - kept[0] < KEPT_SECONDS:
                return kept[1:]
            answer = await self._ask(*key)
            found = (answer.status, answer.body if isinstance(answer.body, bytes) else b"{}")
            if found[0] == Status.DONE:
                self._keep(key, found)
            return found

    def _keep(self, key: tuple[str, bytes], found: tuple[int, bytes]) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (self._clock(), *found)

"""What may be read over HTTP, on a controller that listens: a port of its own on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from controller.api.listening.local_socket import LocalSocket
from controller.api.routes import by_path
from controller.api.viewing.guard import Guard
from controller.api.viewing.http import Viewing
from controller.api.viewing.stream import ALIVE_SECONDS
from tests.support.api_site import Site
from tests.support.http_site import served


@dataclass
class View:
    session: aiohttp.ClientSession
    application: web.Application
    url: str


@asynccontextmanager
async def viewing(place: Site, token: bytes | None = None, alive: float = ALIVE_SECONDS) -> AsyncIterator[View]:
    table = by_path(place.controller.routes())
    me = place.identity
    local = LocalSocket(table, place.lead, "own:1", lambda: me.me, lambda: me.client)
    application = web.Application()
    state = place.controller.state
    Viewing(local.ask, state.clock, state.wall, Guard(token), alive).join(application)
    async with served(application) as url, aiohttp.ClientSession(url) as session:
        yield View(session, application, url)

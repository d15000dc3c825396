"""
The way in for people on a manager: a unix socket that only root may open, in the controller's container.

``docker exec CONTROLLER reberth status`` works on any manager: a controller that does not act asks the one that does,
over the same mutual TLS that gates use.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from controller.api.routes import Route
from controller.api.server import reply
from controller.json_errors import NOT_JSON
from controller.names import MANAGER_NAME
from controller.protocol.answers import NOBODY_ACTS, Rejection, Status
from controller.protocol.endpoint import Access
from controller.protocol.identity import IdentityError, Peer
from controller.records.base import Acting

ASK_SECONDS = 15.0


class LocalSocket:
    """``me`` is our own identity: what a person asks here is asked in the manager's name."""

    def __init__(
        self,
        table: Mapping[str, Route],
        acting: Acting,
        own_address: str,
        me: Callable[[], Peer],
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._table = {path: each for path, each in table.items() if each.endpoint.access is not Access.NODE}
        self._acting = acting
        self._own = own_address
        self._me = me
        self._context = context

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        return await self.ask(request.path, await request.read())

    async def ask(self, path: str, body: bytes) -> web.Response:
        """The answer of the controller that acts, this one or another."""
        route = self._table.get(path)
        if route is None:
            return reply(Rejection(Status.MISSING, f"there is no {path}: client and controller differ in version"))
        if self._acting.epoch is None:
            return await self._pass_on(path, body)
        try:
            message = msgspec.json.decode(body, type=route.endpoint.request)
        except NOT_JSON as error:
            return reply(Rejection(Status.BAD, f"the request is not understood: {error}"))
        return reply(await route.answer(self._me(), message))

    async def _pass_on(self, path: str, body: bytes) -> web.Response:
        address = self._acting.acting_address
        if address is None or address == self._own:
            return reply(NOBODY_ACTS)
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS, sock_connect=3.0)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    f"https://{address}{path}",
                    data=body,
                    ssl=self._context(),
                    server_hostname=MANAGER_NAME,
                    allow_redirects=False,
                ) as answer,
            ):
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
        except (aiohttp.ClientError, OSError, TimeoutError, IdentityError) as error:
            why = f"the acting controller at {address} does not answer ({error or 'timeout'}): try again in 15 seconds"
            return reply(Rejection(Status.UNAVAILABLE, why))


def listening_socket(path: Path) -> socket.socket:
    """A listening socket at ``path`` for root alone; one left by an earlier process is removed first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)  # before anybody can connect: listen() comes after
    return listening

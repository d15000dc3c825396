"""
The door for people on a manager: a unix socket that only root may open, in the controller's container.

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

from controller.answers import No, Status
from controller.api import Acting, Route, reply
from controller.identity import MANAGER_NAME, IdentityError, Peer

PREFIX = "/v1/manager/"
ASK_SECONDS = 15.0


class Door:
    """``me`` is our own identity: what a person asks here is asked in the manager's name."""

    def __init__(
        self,
        table: Mapping[str, Route],
        lead: Acting,
        own_address: str,
        me: Callable[[], Peer],
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._table = {path: route for path, route in table.items() if path.startswith(PREFIX)}
        self._lead = lead
        self._own = own_address
        self._me = me
        self._context = context

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        route = self._table.get(request.path)
        if route is None:
            return reply(No(Status.MISSING, f"there is no {request.path}: client and controller differ in version"))
        body = await request.read()
        if self._lead.epoch is None:
            return await self._pass_on(request.path, body)
        try:
            message = msgspec.json.decode(body, type=route.takes)
        except msgspec.DecodeError as error:
            return reply(No(Status.BAD, f"the request is not understood: {error}"))
        return reply(await route.answer(self._me(), message))

    async def _pass_on(self, path: str, body: bytes) -> web.Response:
        address = self._lead.acting_address
        if address is None or address == self._own:
            return reply(No(Status.UNAVAILABLE, "no controller acts just now: one takes over within 15 seconds"))
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
            return reply(No(Status.UNAVAILABLE, why))


def door_socket(path: Path) -> socket.socket:
    """A listening socket at ``path`` for root alone; one left by an earlier process is removed first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)  # before anybody can connect: listen() comes after
    return listening

"""
The way in for people with a certificate: what `reberth` asks on a manager, and `/ui` and `/v1`, over mutual TLS.

Any manager answers: one that does not act asks the one that does. A browser adds a person's certificate to whatever a
page from elsewhere tells it to send; so what comes from a page is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from aiohttp import web

from controller.api.listening.door import Turnstile
from controller.api.listening.listener import Limits
from controller.api.operators.certificate import Operator, Role, operator_of
from controller.api.server import BODY_SECONDS, MAX_BODY, reply
from controller.json_errors import NOT_JSON
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status
from controller.protocol.endpoint import Endpoint
from controller.protocol.endpoints import REMOVE_VOLUME
from controller.protocol.identity import IdentityError

Ask = Callable[[str, bytes], Awaitable[web.Response]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANSWERED: Mapping[str, Endpoint[Any, Any]] = {each.path: each for each in (*operator.QUESTIONS, REMOVE_VOLUME)}
_WHO = web.RequestKey("who", Operator)

_log = structlog.get_logger(__name__)


def limits() -> Limits:
    """People are few: what they may take of the controller is little."""
    return Limits(Turnstile(each=64, in_all=512))


class OperatorPort:
    """``ask``: a path of the protocol and a request's JSON -> the acting controller's answer. ``wall``: the clock."""

    def __init__(self, ask: Ask, wall: Callable[[], float], body_seconds: float = BODY_SECONDS) -> None:
        self._ask = ask
        self._wall = wall
        self._body_seconds = body_seconds

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._identified])
        app.router.add_post("/{path:.*}", self._handle)
        return app

    @web.middleware
    async def _identified(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Nothing is answered, nor is it said what there is, before it is clear to whom."""
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info("ssl_object")
        try:
            who = operator_of(None if connection is None else connection.getpeercert())
        except IdentityError as error:
            _log.warning("operator.refused", path=request.path, why=str(error))
            return reply(Rejection(Status.FORBIDDEN, str(error)))
        if who.expires < self._wall():  # a connection may outlive it
            return reply(Rejection(Status.FORBIDDEN, f"the certificate of {who.name} has expired"))
        request[_WHO] = who
        return await handler(request)

    async def _handle(self, request: web.Request) -> web.Response:
        who, endpoint = request[_WHO], ANSWERED.get(request.path)
        if endpoint is None:
            return reply(
                Rejection(Status.MISSING, f"there is no {request.path}: client and controller differ in version")
            )
        why = _not_for(who, endpoint) or _from_a_page(request)
        if why is not None:
            _log.warning("operator.refused", operator=who.name, path=request.path, why=why)
            return reply(Rejection(Status.FORBIDDEN, why))
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await request.read()
        except TimeoutError:
            return reply(Rejection(Status.UNAVAILABLE, f"it was not here in full after {self._body_seconds:.0f} s"))
        try:
            message: msgspec.Struct = msgspec.json.decode(body, type=endpoint.request)
        except NOT_JSON as error:
            return reply(Rejection(Status.BAD, f"the request is not understood: {error}"))
        if endpoint not in operator.LOOKS:
            _log.info("operator.asked", operator=who.name, path=request.path, why="their certificate lets them act")
        return await self._ask(request.path, msgspec.json.encode(signed(message, who)))


def signed(message: msgspec.Struct, who: Operator) -> msgspec.Struct:
    """With the name that the certificate says, whatever the message says."""
    return msgspec.structs.replace(message, by=who.signature) if "by" in message.__struct_fields__ else message


def _not_for(who: Operator, endpoint: Endpoint[Any, Any]) -> str | None:
    if who.role is Role.OPERATOR or endpoint in operator.LOOKS:
        return None
    return f"the certificate of {who.name} is for looking only ({who.role.value}): this asks for {Role.OPERATOR.value}"


def _from_a_page(request: web.Request) -> str | None:
    if "Origin" in request.headers or request.content_type != "application/json":
        return "this is no request of the command `reberth`: it says JSON, and no page sends it"
    return None

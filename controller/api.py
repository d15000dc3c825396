"""
The door for gates, node services and other managers: HTTPS with mutual TLS, paths as in wire.py and desk.py.

The caller is whoever its Swarm certificate names. Only the acting controller answers; the others say where it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec
import structlog
from aiohttp import web

from controller.answers import No, Status
from controller.catalogue import Catalogue
from controller.desk import Confirm, Desk, Explain, Pause
from controller.explain import Explanation, StatusView
from controller.gatekeeper import Gatekeeper
from controller.identity import IdentityError, Peer, Role
from controller.model import Epoch
from controller.wire import (
    CreateVolume,
    Empty,
    GetVolume,
    Hello,
    Message,
    MountRequest,
    Pending,
    Problem,
    Redirect,
    RemoveVolume,
    Sync,
)

MAX_BODY = 4 * 2**20  # a gate's sync with some thousand volumes

Reply = Message | StatusView | Explanation | No
M = TypeVar("M", bound=Message)

_log = structlog.get_logger(__name__)


class Acting(Protocol):
    @property
    def epoch(self) -> Epoch | None: ...

    @property
    def acting_address(self) -> str | None:
        """host:port of the controller that acts, as far as we know; may be our own."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    takes: type[Message]
    answer: Callable[[Peer, Message], Awaitable[Reply]]
    managers_only: bool = False


def _route(takes: type[M], answer: Callable[[Peer, M], Awaitable[Reply]], managers_only: bool = False) -> Route:
    async def checked(peer: Peer, message: Message) -> Reply:
        if not isinstance(message, takes):
            raise TypeError(f"decoded {type(message).__name__} for {takes.__name__}")
        return await answer(peer, message)

    return Route(takes, checked, managers_only)


def routes(catalogue: Catalogue, keeper: Gatekeeper, desk: Desk) -> Mapping[str, Route]:
    return {
        "/v1/volumes/create": _route(CreateVolume, lambda _, asked: catalogue.create(asked)),
        "/v1/volumes/get": _route(GetVolume, lambda _, asked: catalogue.get(asked)),
        "/v1/volumes/list": _route(Empty, lambda _, __: catalogue.list()),
        "/v1/volumes/remove": _route(RemoveVolume, lambda _, asked: catalogue.remove(asked)),
        "/v1/mount": _route(MountRequest, lambda peer, asked: keeper.mount(peer.node, asked)),
        "/v1/sync": _route(Sync, lambda peer, asked: keeper.sync(peer.node, asked)),
        "/v1/hello": _route(Hello, lambda peer, asked: keeper.hello(peer.node, asked)),
        "/v1/manager/status": _route(Empty, lambda _, __: desk.status(), managers_only=True),
        "/v1/manager/explain": _route(Explain, lambda _, asked: desk.explain(asked), managers_only=True),
        "/v1/manager/confirm": _route(Confirm, lambda _, asked: desk.confirm(asked), managers_only=True),
        "/v1/manager/pause": _route(Pause, lambda _, asked: desk.pause(asked), managers_only=True),
    }


class Api:
    """``identify``: who is at the other end of a connection; raises IdentityError."""

    def __init__(
        self, table: Mapping[str, Route], lead: Acting, own_address: str, identify: Callable[[web.Request], Peer]
    ) -> None:
        self._table = table
        self._lead = lead
        self._own = own_address
        self._identify = identify

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        route = self._table.get(request.path)
        if route is None:
            return reply(No(Status.MISSING, f"there is no {request.path}: gate and controller have different versions"))
        try:
            peer = self._identify(request)
        except IdentityError as error:
            return reply(No(Status.FORBIDDEN, str(error)))
        if route.managers_only and peer.role is not Role.MANAGER:
            return reply(No(Status.FORBIDDEN, f"node {peer.node} is no manager: only managers may ask this"))
        try:
            message = msgspec.json.decode(await request.read(), type=route.takes)
        except msgspec.DecodeError as error:
            why = f"the request is not understood ({error}): gate and controller may have different versions"
            return reply(No(Status.BAD, why))
        return reply(self._elsewhere() or await self._answer(route, peer, message))

    async def _answer(self, route: Route, peer: Peer, message: Message) -> Reply:
        answer = await route.answer(peer, message)
        # Whoever was deposed during a long poll has nothing to say any more.
        return self._elsewhere() or answer

    def _elsewhere(self) -> Redirect | No | None:
        if self._lead.epoch is not None:
            return None
        address = self._lead.acting_address
        if address is not None and address != self._own:
            return Redirect(address)
        return No(Status.UNAVAILABLE, "no controller acts just now: one takes over within 15 seconds")


def reply(answer: Reply) -> web.Response:
    """An answer as HTTP."""
    status = Status.DONE
    body: object = answer
    match answer:
        case No():
            status, body = answer.status, Problem(answer.why)
        case Redirect():
            status = Status.MISDIRECTED
        case Pending():
            status = Status.PENDING
        case _:
            pass
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

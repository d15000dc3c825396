"""
The way in for gates, node services and other managers: HTTPS with mutual TLS.

The caller is whoever its Swarm certificate names, in the role that Swarm's list gives it now. Only the acting
controller answers; the others say where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import structlog
from aiohttp import web

from controller.allowance import Allowance
from controller.api.members import Members
from controller.api.routes import Reply, Route
from controller.json_errors import NOT_JSON
from controller.model import NodeId
from controller.protocol.answers import NOBODY_ACTS, Rejection, Status, unavailable
from controller.protocol.bounds import LONGEST_ANSWER, shortened
from controller.protocol.identity import IdentityError, Peer
from controller.protocol.messages import Pending, Problem, Redirect
from controller.records.base import Acting

MAX_BODY = 4 * 2**20  # a gate's sync with some thousand volumes
MOST_AT_ONCE = 256  # requests of one peer under way: a long poll for each container that starts on it
MOST_BYTES = 4 * MAX_BODY  # of the requests of one peer that are under way
BODY_SECONDS = 20.0  # in which a request has to be here in full
_MOST_COMPLAINTS = 1000
COMPLAINTS_AT_ONCE, COMPLAINT_SECONDS = 5, 10.0  # lines in the log of what one peer said wrongly

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _UnderWay:
    """What one peer has asked, and has no answer to yet."""

    requests: int = 0
    size: int = 0  # bytes of their bodies

    def too_much(self, size: int) -> str | None:
        if self.requests >= MOST_AT_ONCE:
            return f"{MOST_AT_ONCE} requests under way"
        if self.requests and self.size + size > MOST_BYTES:
            return f"requests of {self.size} bytes under way"
        return None


class Api:
    """``identify``: who is at the other end of a connection; raises IdentityError."""

    def __init__(
        self,
        table: Mapping[str, Route],
        acting: Acting,
        members: Members,
        own_address: str,
        identify: Callable[[web.Request], Peer],
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._table = table
        self._acting = acting
        self._members = members
        self._own = own_address
        self._identify = identify
        self._body_seconds = body_seconds
        self._under_way: dict[NodeId, _UnderWay] = {}
        clock = asyncio.get_running_loop().time
        self._complaining = Allowance[NodeId](clock, COMPLAINTS_AT_ONCE, COMPLAINT_SECONDS)
        self._complaints: dict[NodeId, str] = {}  # the last one of each peer: told when it changes

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        route = self._table.get(request.path)
        if route is None:
            why = f"there is no {request.path}: gate and controller have different versions"
            return reply(Rejection(Status.MISSING, why))
        try:
            peer = self._identify(request)
        except IdentityError as error:
            return reply(Rejection(Status.FORBIDDEN, str(error)))
        size = MAX_BODY if request.content_length is None else request.content_length
        too_much = self._under_way.get(peer.node, _UnderWay()).too_much(size)
        if too_much is not None:
            return reply(unavailable(f"node {peer.node} has {too_much}"))
        if request.transport is not None:
            # One answer at a time: the next question on this connection waits until the kernel has taken this one.
            request.transport.set_write_buffer_limits(high=1, low=0)
        with self._counted(peer.node, size):
            return reply(self._elsewhere() or await self._answer(route, peer, request))

    @contextmanager
    def _counted(self, node: NodeId, size: int) -> Iterator[None]:
        load = self._under_way.setdefault(node, _UnderWay())
        load.requests += 1
        load.size += size
        try:
            yield
        finally:
            load.requests -= 1
            load.size -= size
            if not load.requests:
                del self._under_way[node]

    async def _answer(self, route: Route, peer: Peer, request: web.Request) -> Reply:
        admitted = await self._members.admit(peer, route.endpoint.access)
        if isinstance(admitted, Rejection):
            self._complain(peer, request.path, admitted.why)
            return admitted
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await request.read()
        except TimeoutError:
            why = f"the request was not here in full after {self._body_seconds:.0f} s"
            self._complain(peer, request.path, why)
            return Rejection(Status.UNAVAILABLE, why)
        try:
            message = msgspec.json.decode(body, type=route.endpoint.request)
        except NOT_JSON as error:
            why = f"the request is not understood ({error}): gate and controller may have different versions"
            self._complain(peer, request.path, why)
            return Rejection(Status.BAD, why)
        answer = await route.answer(admitted, message)
        # Whoever was deposed during a long poll has nothing to say any more.
        return self._elsewhere() or answer

    def _complain(self, peer: Peer, path: str, why: str) -> None:
        """Once for each peer and reason: it asks again every second. One with ever new reasons fills no disk."""
        if self._complaints.get(peer.node) == why or not self._complaining.take(peer.node):
            return
        if len(self._complaints) >= _MOST_COMPLAINTS:
            self._complaints.clear()
        self._complaints[peer.node] = why
        _log.warning("peer.refused", node=peer.node, path=path, why=why)

    def _elsewhere(self) -> Redirect | Rejection | None:
        if self._acting.epoch is not None:
            return None
        address = self._acting.acting_address
        if address is not None and address != self._own:
            return Redirect(address)
        return NOBODY_ACTS


def reply(answer: Reply) -> web.Response:
    """An answer as HTTP."""
    status = Status.DONE
    body: object = answer
    match answer:
        case Rejection():
            status, body = answer.status, Problem(shortened(answer.why, LONGEST_ANSWER))
        case Redirect():
            status = Status.MISDIRECTED
        case Pending():
            status, body = Status.PENDING, Pending(shortened(answer.why, LONGEST_ANSWER))
        case _:
            pass
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

"""
The way to the acting controller: HTTPS with Swarm's node certificates on both ends.

Any controller may be asked; one that does not act redirects (421) or says that it does not know who acts (503). The
client remembers who answered. It retries nothing by itself beyond asking the others: its users loop.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from controller.json_errors import NOT_JSON
from controller.names import MANAGER_NAME
from controller.protocol import beats, endpoints, messages
from controller.protocol.addresses import NoManagers, manager_addresses
from controller.protocol.answers import Status
from controller.protocol.endpoint import Answer, Asked, Endpoint
from controller.protocol.fitting import fitting, fitting_hello

if TYPE_CHECKING:
    import aiohttp

    from controller.protocol.identity import SwarmIdentity

CONNECT_SECONDS = 3.0
SHUN_SECONDS = 10.0  # an address that took no connection is not asked for so long, while there are others
ANSWER_SECONDS = 10.0  # beyond the time the controller was asked to wait
MAX_HOPS = 8


class ControllerError(Exception):
    """No good answer; ``why`` is one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class ControllerUnreachable(ControllerError):
    """Nobody who may decide answered. Ask again later."""


class ControllerRefused(ControllerError):
    """The acting controller said no."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status

    @property
    def not_found(self) -> bool:
        return self.status == Status.MISSING


def _hint(whys: Mapping[str, str]) -> str:
    """Where not one manager has anybody who listens."""
    if not whys or not all(why.startswith("Cannot connect") for why in whys.values()):
        return ""
    return ". A drained manager runs no controller: `docker node ls`, `docker node update --availability active NODE`"


class _Elsewhere(Exception):
    """One address cannot answer, others may."""

    def __init__(self, why: str, redirect: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.redirect = redirect


def _keepalive_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A manager that lost its power closes nothing: find that out in seconds, not after the long poll."""
    family, kind, protocol, _, _ = info
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
    return sock


def _why(body: bytes, status: int) -> str:
    try:
        return msgspec.json.decode(body, type=messages.Problem).why
    except NOT_JSON:
        return f"the controller answered {status}: {body[:200].decode(errors='replace')!r}"


class ControllerClient:
    """
    ``addresses`` gives host:port of the controllers (raises NoManagers); ``context`` a TLS context, or None for plain
    HTTP in tests (raises OSError or an error with a sentence). Both are called for each request: they may change.
    """

    def __init__(
        self,
        addresses: Callable[[], Sequence[str]],
        context: Callable[[], ssl.SSLContext | None],
        problem: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._connect_seconds = connect_seconds
        self._addresses = addresses
        self._context = context
        self._problem = problem
        self._session: aiohttp.ClientSession | None = None
        self._last: str | None = None
        self._shunned: dict[str, float] = {}  # until when

    async def create(self, name: str, options: Mapping[str, str]) -> messages.Volume:
        message = messages.CreateVolume(name=name, options=dict(options))
        return await self._ask(endpoints.CREATE_VOLUME, message)

    async def get(self, name: str) -> messages.Volume:
        return await self._ask(endpoints.GET_VOLUME, messages.GetVolume(name=name))

    async def inspect(self, name: str) -> messages.Details:
        return await self._ask(endpoints.INSPECT_VOLUME, messages.GetVolume(name=name))

    async def volumes(self) -> messages.Volumes:
        return await self._ask(endpoints.LIST_VOLUMES, messages.Empty())

    async def names(self, known: messages.KnownNames) -> messages.Names:
        return await self._ask(endpoints.NAMES, known, patience=known.wait)

    async def remove(self, name: str) -> None:
        await self._ask(endpoints.REMOVE_VOLUME, messages.RemoveVolume(name=name))

    async def mount(self, request: messages.MountRequest) -> messages.MountGrant | messages.Pending:
        return await self._ask(endpoints.MOUNT, request, patience=request.wait)

    async def sync(self, sync: messages.Sync) -> messages.Orders:
        return await self._ask(endpoints.SYNC, fitting(sync), patience=sync.wait)

    async def hello(self, hello: messages.Hello) -> None:
        await self._ask(endpoints.HELLO, fitting_hello(hello))

    async def beat(self, beat: beats.Beat) -> beats.Pace:
        return await self._ask(endpoints.BEAT, beat)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, endpoint: Endpoint[Asked, Answer], message: Asked, patience: float = 0.0) -> Answer:
        """Ask one after the other until somebody decides. Raises ControllerRefused, ControllerUnreachable."""
        if self._problem is not None:
            raise ControllerRefused(self._problem, Status.BAD)  # waiting does not cure it
        body = msgspec.json.encode(message)
        queue = self._candidates()
        whys: dict[str, str] = {}
        for _ in range(MAX_HOPS):
            if not queue:
                break
            address = queue.pop(0)
            try:
                answer = await self._post(address, endpoint, body, patience)
            except _Elsewhere as elsewhere:
                whys[address] = elsewhere.why
                if elsewhere.redirect and elsewhere.redirect not in whys:
                    queue = [elsewhere.redirect, *(one for one in queue if one != elsewhere.redirect)]
                continue
            self._last = address
            return answer
        self._last = None
        raise ControllerUnreachable(
            "no controller could answer ("
            + "; ".join(f"{where}: {why}" for where, why in whys.items())
            + ")"
            + _hint(whys)
        )

    def _candidates(self) -> list[str]:
        try:
            known = list(self._addresses())
        except NoManagers as error:
            raise ControllerUnreachable(str(error)) from error
        random.shuffle(known)
        now = time.monotonic()
        self._shunned = {address: until for address, until in self._shunned.items() if until > now}
        near = [address for address in known if address not in self._shunned]
        return list(dict.fromkeys(([self._last] if self._last else []) + (near or known)))

    async def _post(self, address: str, endpoint: Endpoint[Asked, Answer], body: bytes, patience: float) -> Answer:
        import aiohttp  # noqa: PLC0415 -- the gate's socket must answer before this slow import

        session = self._open_session()
        context = self._tls()
        timeout = aiohttp.ClientTimeout(total=patience + ANSWER_SECONDS, sock_connect=self._connect_seconds)
        try:
            async with session.post(
                f"{'http' if context is None else 'https'}://{address}{endpoint.path}",
                data=body,
                headers={"Content-Type": "application/json"},
                ssl=True if context is None else context,
                server_hostname=None if context is None else MANAGER_NAME,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return self._understand(response.status, await response.read(), endpoint.answers)
        except aiohttp.ConnectionTimeoutError as error:
            self._shunned[address] = time.monotonic() + SHUN_SECONDS
            raise _Elsewhere("it took no connection in time") from error
        except TimeoutError as error:
            raise _Elsewhere("it did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Elsewhere(str(error) or type(error).__name__) from error

    @staticmethod
    def _understand(status: int, body: bytes, answers: Mapping[Status, type[Answer]]) -> Answer:
        answer = next((form for code, form in answers.items() if code == status), None)
        if answer is not None:
            try:
                return msgspec.json.decode(body, type=answer)
            except NOT_JSON as error:
                raise _Elsewhere(
                    f"its answer is not understood ({error}); gate and controller must have one version"
                ) from error
        if status == Status.MISDIRECTED:
            try:
                target = msgspec.json.decode(body, type=messages.Redirect).address
            except NOT_JSON as error:
                raise _Elsewhere("it does not act, and does not say who does") from error
            raise _Elsewhere(f"it does not act, {target} does", redirect=target)
        if status >= Status.FAULT:
            raise _Elsewhere(_why(body, status))
        raise ControllerRefused(_why(body, status), status)

    def _tls(self) -> ssl.SSLContext | None:
        try:
            return self._context()
        except OSError as error:
            raise ControllerUnreachable(f"the node's certificate cannot be used: {error}") from error

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, socket_factory=_keepalive_socket)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


class NodeCertificate:
    """The TLS context from the node's Swarm certificate, as soon as there is one, and renewed with it."""

    def __init__(self, certificates: Path) -> None:
        self._certificates = certificates
        self._identity: SwarmIdentity | None = None

    def __call__(self) -> ssl.SSLContext:
        """The context for now. Raises ControllerUnreachable with the reason."""
        from controller.protocol.identity import IdentityError, SwarmIdentity  # noqa: PLC0415 -- slow: it brings OpenSSL

        if self._identity is None:
            try:
                self._identity = SwarmIdentity(self._certificates)
            except IdentityError as error:
                raise ControllerUnreachable(str(error)) from error
        return self._identity.client  # while a renewal is half done this is the last good one


def swarm_client(docker_root: Path, port: int, problem: str | None = None) -> ControllerClient:
    """The client of a node in a swarm: used by the gate and by the node service."""
    return ControllerClient(
        addresses=lambda: manager_addresses(docker_root, port),
        context=NodeCertificate(docker_root / "swarm" / "certificates"),
        problem=problem,
    )


async def pause(seconds: float) -> None:
    """A wait between two questions, with jitter, so that a thousand gates do not ask at once."""
    await asyncio.sleep(seconds * random.uniform(0.7, 1.3))  # noqa: S311

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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from controller import wire
from controller.gate.managers import NoManagers, manager_addresses

if TYPE_CHECKING:
    import aiohttp

    from controller.identity import SwarmIdentity

Answer = TypeVar("Answer", bound=wire.Message)

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0  # beyond the time the controller was asked to wait
MAX_HOPS = 8
BAD_SETTING = 400
SERVER_NAME = "swarm-manager"  # in every manager's certificate, in none of a worker's


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
        return self.status == 404


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
        return msgspec.json.decode(body, type=wire.Problem).why
    except msgspec.DecodeError:
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
    ) -> None:
        self._addresses = addresses
        self._context = context
        self._problem = problem
        self._session: aiohttp.ClientSession | None = None
        self._last: str | None = None

    async def create(self, name: str, options: Mapping[str, str]) -> wire.Volume:
        message = wire.CreateVolume(name=name, options=dict(options))
        return await self._ask("/v1/volumes/create", message, {200: wire.Volume})

    async def get(self, name: str) -> wire.Volume:
        return await self._ask("/v1/volumes/get", wire.GetVolume(name=name), {200: wire.Volume})

    async def volumes(self) -> wire.Volumes:
        return await self._ask("/v1/volumes/list", wire.Empty(), {200: wire.Volumes})

    async def remove(self, name: str) -> None:
        await self._ask("/v1/volumes/remove", wire.RemoveVolume(name=name), {200: wire.Empty})

    async def mount(self, request: wire.MountRequest) -> wire.MountGrant | wire.Pending:
        answers: Mapping[int, type[wire.MountGrant | wire.Pending]] = {200: wire.MountGrant, 202: wire.Pending}
        return await self._ask("/v1/mount", request, answers, patience=request.wait)

    async def sync(self, sync: wire.Sync) -> wire.Orders:
        return await self._ask("/v1/sync", sync, {200: wire.Orders}, patience=sync.wait)

    async def hello(self, hello: wire.Hello) -> None:
        await self._ask("/v1/hello", hello, {200: wire.Empty})

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self, path: str, message: wire.Message, answers: Mapping[int, type[Answer]], patience: float = 0.0
    ) -> Answer:
        """Ask one after the other until somebody decides. Raises ControllerRefused, ControllerUnreachable."""
        if self._problem is not None:
            raise ControllerRefused(self._problem, BAD_SETTING)  # waiting does not cure it
        body = msgspec.json.encode(message)
        queue = self._candidates()
        whys: dict[str, str] = {}
        for _ in range(MAX_HOPS):
            if not queue:
                break
            address = queue.pop(0)
            try:
                answer = await self._post(address, path, body, answers, patience)
            except _Elsewhere as elsewhere:
                whys[address] = elsewhere.why
                if elsewhere.redirect and elsewhere.redirect not in whys:
                    queue = [elsewhere.redirect, *(one for one in queue if one != elsewhere.redirect)]
                continue
            self._last = address
            return answer
        self._last = None
        raise ControllerUnreachable(
            "no controller could answer (" + "; ".join(f"{where}: {why}" for where, why in whys.items()) + ")"
        )

    def _candidates(self) -> list[str]:
        try:
            known = list(self._addresses())
        except NoManagers as error:
            raise ControllerUnreachable(str(error)) from error
        random.shuffle(known)
        return list(dict.fromkeys(([self._last] if self._last else []) + known))

    async def _post(
        self, address: str, path: str, body: bytes, answers: Mapping[int, type[Answer]], patience: float
    ) -> Answer:
        import aiohttp  # noqa: PLC0415 -- the gate's socket must answer before this slow import

        session = self._open_session()
        context = self._tls()
        timeout = aiohttp.ClientTimeout(total=patience + ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        try:
            async with session.post(
                f"{'http' if context is None else 'https'}://{address}{path}",
                data=body,
                headers={"Content-Type": "application/json"},
                ssl=True if context is None else context,
                server_hostname=None if context is None else SERVER_NAME,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return self._understand(response.status, await response.read(), answers)
        except TimeoutError as error:
            raise _Elsewhere("it did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Elsewhere(str(error) or type(error).__name__) from error

    @staticmethod
    def _understand(status: int, body: bytes, answers: Mapping[int, type[Answer]]) -> Answer:
        if status in answers:
            try:
                return msgspec.json.decode(body, type=answers[status])
            except msgspec.DecodeError as error:
                raise _Elsewhere(
                    f"its answer is not understood ({error}); gate and controller must have one version"
                ) from error
        if status == 421:
            try:
                target = msgspec.json.decode(body, type=wire.Redirect).address
            except msgspec.DecodeError as error:
                raise _Elsewhere("it does not act, and does not say who does") from error
            raise _Elsewhere(f"it does not act, {target} does", redirect=target)
        if status >= 500:
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
        from controller.identity import IdentityError, SwarmIdentity  # noqa: PLC0415 -- slow: it brings OpenSSL

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

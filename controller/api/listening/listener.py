"""A TCP port of the controller, also while a predecessor on the same node still has it."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from controller.api.listening.door import UNREAD_SECONDS, Turnstile, opened, room

PATIENCE = 15.0  # seconds; less than the 20 in which Swarm ends a container, and we hear of no end meanwhile
HANDSHAKE = 10.0  # seconds; asyncio would wait for 60
IDLE = 75.0  # seconds until a connection is closed on which no whole request comes, be it that half of one has come
_LINGER = 2.0  # seconds for a body that is not wanted any more; its sender then reads why
_LOOK = 0.2  # seconds

_log = structlog.get_logger(__name__)


def runner_of(application: web.Application, *, idle: float = IDLE, shutdown: float = 1.0) -> web.AppRunner:
    """Not yet set up. Bodies are taken as they come: a packed one would be larger than it says."""
    return web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=shutdown,
        keepalive_timeout=idle,
        lingering_time=_LINGER,
        auto_decompress=False,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What whoever connects may do. ``handshake``: seconds in which it must have shown its certificate. ``unread``: for
    which it may leave an answer unread.
    """

    turnstile: Turnstile
    handshake: float = HANDSHAKE
    unread: float = UNREAD_SECONDS


class _Site(web.TCPSite):
    """
    Whoever connects and says nothing holds a socket no longer than a node needs for its handshake, and whoever
    connects too often gets none.
    """

    def __init__(
        self, runner: web.AppRunner, family: int, address: Any, limits: Limits, *, ssl_context: ssl.SSLContext | None
    ) -> None:
        super().__init__(runner, address[0], address[1], ssl_context=ssl_context)
        self._family = family
        self._address = address
        self._limits = limits

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner was not set up")
        self._server = await asyncio.get_running_loop().create_server(
            server,
            sock=opened(self._family, self._address, self._limits.turnstile, self._backlog, self._limits.unread),
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=None if self._ssl_context is None else self._limits.handshake,
        )


async def open_port(
    runner: web.AppRunner,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    patience: float = PATIENCE,
    limits: Limits | None = None,
) -> None:
    """At all addresses that a name has. Raises OSError, as `open_addresses`, or if there is no such name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = [(family, address) for family, _, _, _, address in found]
    await open_addresses(runner, addresses, tls, patience=patience, limits=limits)


def everywhere(address: str) -> str:
    """All addresses of a machine, of the kind that it is reached by: host:port, [host]:port."""
    return "::" if address.startswith("[") else "0.0.0.0"


async def open_addresses(
    runner: web.AppRunner,
    addresses: Sequence[tuple[int, Any]],
    tls: ssl.SSLContext | None = None,
    *,
    patience: float = PATIENCE,
    limits: Limits | None = None,
) -> None:
    """
    ``addresses``: each a family and what a socket of it binds to; they share the limits.

    Swarm starts a controller before the one before has ended if it lost sight of the node for a moment, as when its
    leader dies. To give up at once would be a failure for Swarm, and two of those roll an update back.

    Raises OSError if a port is not free after ``patience`` seconds, or cannot be had for another reason.
    """
    clock = asyncio.get_running_loop().time
    end, told = clock() + patience, False
    limits = limits or Limits(Turnstile(in_all=room()))
    left = list(addresses)
    while left:
        family, address = left[0]
        try:
            await _Site(runner, family, address, limits, ssl_context=tls).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or clock() > end:
                raise
            if not told:
                _log.info("controller.waiting", port=address[1], why=f"it is still taken, by a predecessor? {error}")
                told = True
            await asyncio.sleep(_LOOK)
        else:
            del left[0]

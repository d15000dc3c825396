"""A TCP port of the controller, also while a predecessor on the same node still has it."""

from __future__ import annotations

import asyncio
import errno
import ssl

import structlog
from aiohttp import web

PATIENCE = 15.0  # seconds; less than the 20 in which Swarm ends a container, and we hear of no end meanwhile
HANDSHAKE = 10.0  # seconds in which a peer must have shown its certificate; asyncio would wait for 60
_LOOK = 0.2  # seconds

_log = structlog.get_logger(__name__)


class _Site(web.TCPSite):
    """Whoever connects and says nothing holds a socket no longer than a node needs for its handshake."""

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, *, ssl_context: ssl.SSLContext | None, handshake: float
    ) -> None:
        super().__init__(runner, host, port, ssl_context=ssl_context)
        self._handshake = handshake

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner was not set up")
        self._server = await asyncio.get_running_loop().create_server(
            server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=None if self._ssl_context is None else self._handshake,
        )


async def open_port(
    runner: web.AppRunner,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    patience: float = PATIENCE,
    handshake: float = HANDSHAKE,
) -> None:
    """
    Swarm starts a controller before the one before has ended if it lost sight of the node for a moment, as when its
    leader dies. To give up at once would be a failure for Swarm, and two of those roll an update back.

    Raises OSError if the port is not free after ``patience`` seconds, or cannot be had for another reason.
    """
    clock = asyncio.get_running_loop().time
    end, told = clock() + patience, False
    while True:
        try:
            return await _Site(runner, host, port, ssl_context=tls, handshake=handshake).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or clock() > end:
                raise
            if not told:
                _log.info("controller.waiting", port=port, why=f"it is still taken, by a predecessor? {error}")
                told = True
        await asyncio.sleep(_LOOK)

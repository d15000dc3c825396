"""
``python -m deploy.lab.vms.forward SOCKET=ADDRESS...``: the guests' engines as Unix sockets of the machine.

So a guest's engine is found where a node of a lab has it, by the docker command too.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

PORT = 2375
_CONNECT = 3.0  # seconds; a guest that is off answers nothing
_CHUNK = 1 << 16


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One direction, to its end; an end is passed on too, as the other direction may go on."""
    with suppress(OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
    with suppress(OSError, RuntimeError):
        if sink.can_write_eof():
            sink.write_eof()


async def _serve(address: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_CONNECT):
            guest_reader, guest_writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        writer.close()
        return
    _notice_death(guest_writer)
    try:
        async with asyncio.TaskGroup() as directions:
            directions.create_task(_pass_on(reader, guest_writer))
            directions.create_task(_pass_on(guest_reader, writer))
    finally:
        guest_writer.close()
        writer.close()


def _notice_death(writer: asyncio.StreamWriter) -> None:
    """A guest that lost its power says nothing any more: its connections end after some seconds."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)


async def forward(routes: Mapping[Path, str], port: int = PORT) -> None:
    """Until it is cancelled."""
    async with asyncio.TaskGroup() as servers:
        for path, address in routes.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(_handler(address, port), path)
            servers.create_task(server.serve_forever())


def _handler(address: str, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(address, port, reader, writer)

    return handle


def main(words: list[str]) -> None:
    routes = {Path(path): address for path, _, address in (word.rpartition("=") for word in words)}
    asyncio.run(forward(routes))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The guests' engines as Unix sockets: what is said on one side is heard on the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy.lab.vms.forward import forward


async def _shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only when the other side has said all, as an engine does that gets a file."""
    writer.write((await reader.read()).upper())
    writer.close()


async def _ask(path: Path, words: bytes) -> bytes:
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 -- the socket has no event
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(words)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def test_the_end_of_what_a_client_says_reaches_the_guest_and_its_answer_comes_back(tmp_path: Path) -> None:
    guest = await asyncio.start_server(_shout, "127.0.0.1", 0)
    port = int(guest.sockets[0].getsockname()[1])
    path = tmp_path / "docker.sock"
    async with guest, asyncio.TaskGroup() as group:
        running = group.create_task(forward({path: "127.0.0.1"}, port))

        assert await _ask(path, b"hello") == b"HELLO"
        running.cancel()


async def test_a_guest_that_is_off_ends_the_connection_at_once(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    async with asyncio.TaskGroup() as group:
        running = group.create_task(forward({path: "127.0.0.1"}, 1))

        assert await _ask(path, b"hello") == b""
        running.cancel()

"""A worker with a valid certificate that opens connections, says half of things, or says too much: over real TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from controller.api.listening.door import MOST_EACH
from controller.api.server import MAX_BODY, MOST_AT_ONCE, MOST_BYTES
from controller.names import MANAGER_NAME
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.identity import client_context
from controller.protocol.messages import GetVolume, KnownNames, MountGrant, Names, Orders
from controller.records.memory import Call
from tests.support.api_site import Site, mount, site, sync
from tests.support.certificates import SwarmCa

ATTACKER = "127.0.0.66"  # the other gates speak from 127.0.0.1
UNREAD = 2000
MOST_UNREAD = 600_000


@asynccontextmanager
async def saying(place: Site, context: ssl.SSLContext, said: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A connection of node c on which these bytes come, and no more."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", place.port, ssl=context, server_hostname=MANAGER_NAME, local_addr=(ATTACKER, 0)
    )
    try:
        writer.write(said)
        yield reader
    finally:
        writer.close()


def head(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


async def test_thousands_of_connections_of_one_worker_cost_another_gate_nothing(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place, asyncio.timeout(120):
        with ExitStack() as crowd:
            ones = []
            for _ in range(2 * MOST_EACH):
                ones.append(crowd.enter_context(socket.create_connection(("127.0.0.1", place.port), 20, (ATTACKER, 0))))
                ones[-1].setblocking(False)
                await asyncio.sleep(0)
            assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
            while sum(map(_is_closed, ones)) < MOST_EACH // 2:  # noqa: ASYNC110 -- the other end makes no event
                await asyncio.sleep(0.1)
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)


def _is_closed(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def test_half_a_request_ends_by_itself_and_holds_nobody_up(ca: SwarmCa, tmp_path: Path) -> None:
    """Its connection is closed, or it is answered, though the rest never comes."""
    context = client_context(ca.folder / "c")
    halves = (b"", b"POST /v1/sy", head(endpoints.SYNC.path, 100)[:-2], head(endpoints.SYNC.path, 100) + b'{"vm":')
    async with site(ca, tmp_path, idle=0.5, body=0.5) as place, AsyncExitStack() as open_ones, asyncio.timeout(60):
        readers = [
            await open_ones.enter_async_context(saying(place, context, half)) for half in halves for _ in range(5)
        ]
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
        for reader in readers:
            said = await reader.read()
            assert said == b"" or str(int(Status.UNAVAILABLE)).encode() in said


async def test_bodies_of_one_worker_fill_no_memory_and_no_other_is_refused(ca: SwarmCa, tmp_path: Path) -> None:
    context = client_context(ca.folder / "c")
    large = head(endpoints.SYNC.path, MAX_BODY - 1) + b" " * 1000
    async with site(ca, tmp_path) as place, AsyncExitStack() as open_ones, asyncio.timeout(60):
        for _ in range(MOST_BYTES // MAX_BODY):
            await open_ones.enter_async_context(saying(place, context, large))
        reader = await open_ones.enter_async_context(saying(place, context, large))
        assert str(int(Status.UNAVAILABLE)).encode() in await reader.readline()
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)


async def test_a_packed_body_is_not_unpacked(ca: SwarmCa, tmp_path: Path) -> None:
    """It would be as large as the packer likes, whatever it says of its length."""
    packed = bytes.fromhex("1f8b08000000000000ff") + b"x" * 20
    ask = head(endpoints.SYNC.path, len(packed)).replace(b"Host", b"Content-Encoding: gzip\r\nHost") + packed
    async with site(ca, tmp_path) as place, asyncio.timeout(60):
        async with saying(place, client_context(ca.folder / "c"), ask) as reader:
            assert str(int(Status.BAD)).encode() in await reader.readline()
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)


async def test_answers_that_nobody_reads_take_little_memory_and_hold_up_nobody(ca: SwarmCa, tmp_path: Path) -> None:
    """One question after the other on one connection: the answers wait in the controller's memory."""
    body = msgspec.json.encode(GetVolume("x" * 4000))
    ask = head(endpoints.GET_VOLUME.path, len(body)) + body
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((ATTACKER, 0))
    async with site(ca, tmp_path) as place, asyncio.timeout(120):
        sock.connect(("127.0.0.1", place.port))
        _, writer = await asyncio.open_connection(
            sock=sock, ssl=client_context(ca.folder / "c"), server_hostname=MANAGER_NAME, limit=1024
        )
        calls = place.controller.records.calls
        writer.write(ask * UNREAD)
        seen = -1
        while seen != (seen := calls.count(Call.VOLUMES)):
            await asyncio.sleep(1.0)
            assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
        assert seen * len(body) < MOST_UNREAD
        writer.transport.abort()


async def test_long_polls_of_one_worker_without_end_are_refused_and_nobody_elses(ca: SwarmCa, tmp_path: Path) -> None:
    """Each waits for another list of names, as a gate does; there is none for a minute."""
    context = client_context(ca.folder / "c")
    async with site(ca, tmp_path) as place, AsyncExitStack() as open_ones, asyncio.timeout(120):
        await place.granted("b")
        listed = await place.ask("c", endpoints.NAMES, KnownNames())
        assert isinstance(listed, Names)
        body = msgspec.json.encode(KnownNames(listed.epoch, listed.count, wait=60.0))
        poll = head(endpoints.NAMES.path, len(body)) + body
        for number in range(MOST_AT_ONCE):
            await open_ones.enter_async_context(saying(place, context, poll))
            if number % 50 == 0:
                assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
        reader = await open_ones.enter_async_context(saying(place, context, poll))
        while str(int(Status.UNAVAILABLE)).encode() not in await reader.readline():  # the others were all there first
            reader = await open_ones.enter_async_context(saying(place, context, poll))
        await place.look()
        assert isinstance(await place.ask("b", endpoints.MOUNT, mount("b", wait=10.0)), MountGrant)

"""How many connections a port takes, from whom. With real sockets on loopback."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

import pytest
from aiohttp import web

from controller.api.listening.door import Turnstile, network, room
from controller.api.listening.listener import Limits, open_port, runner_of

HOST, WORKER, OTHER = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@asynccontextmanager
async def port(turnstile: Turnstile, idle: float = 30.0, unread: float = 30.0) -> AsyncIterator[int]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = runner_of(application, idle=idle, shutdown=0.1)
    await runner.setup()
    try:
        await open_port(runner, HOST, 0, limits=Limits(turnstile, unread=unread))
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def answered(number: int, source: str) -> bool:
    """Whether whoever connects from there gets an answer."""
    try:
        reader, writer = await asyncio.open_connection(HOST, number, local_addr=(source, 0))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
    except ConnectionError:
        return False
    return b"here" in said


async def emptied(turnstile: Turnstile) -> None:
    async with asyncio.timeout(20):
        while turnstile.inside:  # noqa: ASYNC110 -- the other end makes no event
            await asyncio.sleep(0.01)


async def test_a_peer_with_too_many_connections_gets_no_more_and_all_others_do() -> None:
    turnstile = Turnstile(each=5, in_all=50, new_each=1000.0)
    async with port(turnstile) as number, asyncio.timeout(30):
        with ExitStack() as crowd:
            for _ in range(20):
                crowd.enter_context(socket.create_connection((HOST, number), source_address=(WORKER, 0)))
            assert not await answered(number, WORKER)
            assert await answered(number, OTHER)
            assert turnstile.inside <= 6
        await emptied(turnstile)
        assert await answered(number, WORKER)


async def test_no_crowd_of_peers_opens_more_connections_than_there_is_room_for() -> None:
    turnstile = Turnstile(each=5, in_all=8)
    async with port(turnstile) as number, asyncio.timeout(30):
        with ExitStack() as crowd:
            for source in (WORKER, OTHER):
                for _ in range(5):
                    crowd.enter_context(socket.create_connection((HOST, number), source_address=(source, 0)))
            assert not await answered(number, HOST)
            assert turnstile.inside == 8
        await emptied(turnstile)
        assert await answered(number, HOST)


async def test_a_connection_with_half_a_request_is_closed_after_a_while() -> None:
    turnstile = Turnstile()
    async with port(turnstile, idle=0.3) as number, asyncio.timeout(30):
        for said in (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "):
            reader, writer = await asyncio.open_connection(HOST, number)
            writer.write(said)
            assert await reader.read() == b""
            writer.close()
        await emptied(turnstile)


@pytest.mark.parametrize("size", [3, 500])
def test_who_connects_again_and_again_is_slowed_down_alone(size: int) -> None:
    now = 0.0
    turnstile = Turnstile(each=size, in_all=10 * size, new_each=2.0, clock=lambda: now)

    def connects(times: int, who: str = WORKER) -> int:
        entered = 0
        for _ in range(times):
            if turnstile.enters(who) is None:
                entered += 1
                turnstile.leaves(who)
        return entered

    assert connects(2 * size) == size
    now = 5.0
    assert connects(2 * size) == min(size, 10)
    assert connects(1, OTHER) == 1
    assert turnstile.inside == 0


def test_a_host_is_known_by_what_it_cannot_change() -> None:
    """With IPv6 it takes what address it likes out of its /64."""
    assert network("10.0.0.7") == network("::ffff:10.0.0.7") == "10.0.0.7"
    assert network("fd00:1:2:3::7") == network("fd00:1:2:3:ffff::8") != network("fd00:1:2:4::7")
    assert network("fe80::1%eth0") == "fe80::/64"


def test_a_container_with_few_files_keeps_some_for_everything_else() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        assert 1 <= room() <= before[1] - 256
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_connection_whose_answers_nobody_reads_ends_by_itself() -> None:
    """Else whoever asks and never reads keeps them in the controller's memory for ever."""
    turnstile = Turnstile()
    async with port(turnstile, unread=1.0) as number, asyncio.timeout(60):
        with socket.create_connection((HOST, number)) as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.setblocking(False)
            left = memoryview(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000)
            begun = len(left)
            while turnstile.inside or len(left) == begun:
                with suppress(BlockingIOError, ConnectionError):
                    left = left[silent.send(left) :]
                await asyncio.sleep(0.01)
        assert left  # it was not the last answer
        assert await answered(number, OTHER)

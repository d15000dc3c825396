"""A controller's port while its predecessor ends. With real sockets on loopback."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from controller.api.listening.door import Turnstile
from controller.api.listening.listener import Limits, everywhere, open_addresses, open_port

HOST = "127.0.0.1"


@asynccontextmanager
async def runner() -> AsyncIterator[web.AppRunner]:
    made = web.AppRunner(web.Application())
    await made.setup()
    try:
        yield made
    finally:
        await made.cleanup()


async def test_a_port_that_a_predecessor_still_has_is_taken_over_when_it_ends() -> None:
    with socket.create_server((HOST, 0)) as predecessor:
        port = predecessor.getsockname()[1]
        async with runner() as made, asyncio.TaskGroup() as group:
            opening = group.create_task(open_port(made, HOST, port))
            await asyncio.sleep(0.5)
            assert not opening.done()
            predecessor.close()
            await opening
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()


async def test_a_port_that_stays_taken_is_an_error_that_says_so() -> None:
    with socket.create_server((HOST, 0)) as other:
        async with runner() as made:
            with pytest.raises(OSError, match=r"port .*: Address already in use") as caught:
                await open_port(made, HOST, other.getsockname()[1], patience=0.3)
    assert caught.value.errno == errno.EADDRINUSE


async def test_an_address_that_is_not_ours_is_not_waited_for() -> None:
    async with runner() as made, asyncio.timeout(5):
        with pytest.raises(OSError, match=r"192\.0\.2\.1 .* assign requested address"):
            await open_port(made, "192.0.2.1", 0)


async def test_all_addresses_of_a_name_are_listened_at() -> None:
    """As "localhost" often has one of each protocol: who asks either must not find nobody."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    addresses = [(socket.AF_INET, (each, port)) for each in (HOST, "127.0.0.2")]
    async with runner() as made, asyncio.timeout(30):
        await open_addresses(made, addresses)
        for _, address in addresses:
            _, writer = await asyncio.open_connection(*address)
            writer.close()


async def test_a_peer_that_never_shows_a_certificate_is_not_kept() -> None:
    """Else anybody who reaches the port could take all sockets of the controller."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    async with runner() as made, asyncio.timeout(30):
        await open_port(
            made,
            HOST,
            port,
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
            limits=Limits(Turnstile(), handshake=0.2),
        )
        reader, writer = await asyncio.open_connection(HOST, port)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("address", "listens"), [("[fd00::7]:7490", "::"), ("10.0.0.7:7490", "0.0.0.0"), ("m1:1", "0.0.0.0")]
)
def test_a_node_whose_own_address_is_of_ipv6_is_listened_to_there(address: str, listens: str) -> None:
    assert everywhere(address) == listens

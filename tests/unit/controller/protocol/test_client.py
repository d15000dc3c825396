"""The gate's way to the acting controller, over real HTTP and TLS on the loopback."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from controller.protocol import messages
from controller.protocol.addresses import NoManagers, manager_addresses
from controller.protocol.client import ControllerClient, ControllerRefused, ControllerUnreachable, swarm_client
from controller.protocol.identity import server_context
from tests.support.certificates import SwarmCa

Handler = Callable[[web.Request], Awaitable[web.Response]]


def answer(status: int, message: msgspec.Struct) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, body=msgspec.json.encode(message), content_type="application/json")

    return handle


@asynccontextmanager
async def serving(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener, ssl_context=tls).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(*addresses: str) -> AsyncIterator[ControllerClient]:
    made = ControllerClient(lambda: addresses, lambda: None)
    try:
        yield made
    finally:
        await made.close()


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


VOLUME = messages.Volume(name="data", size_bytes=1, fstype="ext4")


async def test_client_follows_to_the_acting_controller_and_stays_with_it() -> None:
    """421 names who acts; the next question goes there at once."""
    asked = 0

    async with serving(answer(200, VOLUME)) as acting:

        async def redirect(_: web.Request) -> web.Response:
            nonlocal asked
            asked += 1
            return web.Response(status=421, body=msgspec.json.encode(messages.Redirect(address=acting)))

        async with serving(redirect) as other, client(other) as ask:
            assert await ask.get("data") == VOLUME
            assert await ask.get("data") == VOLUME
            assert asked == 1


async def test_client_tries_the_next_manager() -> None:
    """One that is down and one that does not know who acts do not keep the third from answering."""
    unsure = answer(503, messages.Problem(why="no epoch yet"))
    async with (
        serving(unsure) as second,
        serving(answer(200, VOLUME)) as third,
        client(closed_port(), second, third) as ask,
    ):
        assert await ask.create("data", {"size": "1GiB"}) == VOLUME


async def test_two_that_send_each_other_on_do_not_keep_the_client() -> None:
    """A circle of redirects ends in an error that names the addresses."""

    async def circle(request: web.Request) -> web.Response:
        return web.Response(status=421, body=msgspec.json.encode(messages.Redirect(address=request.host)))

    async with serving(circle) as address, client(address) as ask:
        with pytest.raises(ControllerUnreachable, match=f"{address}: it does not act"):
            await ask.get("data")


async def test_reasons_of_all_managers_are_told() -> None:
    """Nobody answered: each address with its own reason."""
    dead = closed_port()
    async with serving(answer(503, messages.Problem(why="no quorum"))) as unsure, client(dead, unsure) as ask:
        with pytest.raises(ControllerUnreachable) as caught:
            await ask.get("data")
    assert f"{unsure}: no quorum" in caught.value.why
    assert dead in caught.value.why


async def test_refusal_is_final() -> None:
    """What the acting controller refuses is not asked of another, and keeps its sentence."""
    async with serving(answer(404, messages.Problem(why="there is no volume data"))) as address, client(address) as ask:
        with pytest.raises(ControllerRefused) as caught:
            await ask.get("data")
    assert caught.value.not_found
    assert caught.value.why == "there is no volume data"


async def test_other_version_is_told() -> None:
    """An answer with fields that this version does not know is not half understood."""

    async def newer(_: web.Request) -> web.Response:
        return web.Response(body=json.dumps({"name": "data", "size_bytes": 1, "fstype": "ext4", "new": 1}).encode())

    async with serving(newer) as address, client(address) as ask:
        with pytest.raises(ControllerUnreachable, match="must have one version"):
            await ask.get("data")


async def test_pending_and_grant_are_told_apart() -> None:
    """202 carries the reason to wait."""
    async with (
        serving(answer(202, messages.Pending(why="the node is down for 4 s"))) as address,
        client(address) as ask,
    ):
        assert await ask.mount(messages.MountRequest(volume="data", vm="v", boot="b", wait=0)) == messages.Pending(
            why="the node is down for 4 s"
        )


async def test_node_in_a_swarm_needs_no_settings(tmp_path: Path) -> None:
    """Managers and certificate come from dockerd's own files; a certificate that comes later is found."""
    authority = SwarmCa.create(tmp_path / "ca")
    controller = server_context(authority.issue("manager1"))
    swarm = tmp_path / "docker" / "swarm"
    swarm.mkdir(parents=True)
    async with serving(answer(200, messages.Empty()), controller) as address:
        (swarm / "state.json").write_text(json.dumps([{"node_id": "m", "addr": "127.0.0.1:2377"}]))
        ask = swarm_client(tmp_path / "docker", int(address.partition(":")[2]))
        hello = messages.Hello(vm="v", boot="b", hostname="h")
        with pytest.raises(ControllerUnreachable, match=r"swarm-node\.crt"):
            await ask.hello(hello)

        (swarm / "certificates").mkdir()
        authority.issue("worker1", "swarm-worker", into=swarm / "certificates")
        await ask.hello(hello)
        await ask.close()


async def test_worker_cannot_pose_as_a_controller(tmp_path: Path) -> None:
    """Only a manager's certificate carries the name that a gate asks for."""
    authority = SwarmCa.create(tmp_path / "ca")
    impostor = server_context(authority.issue("worker1", "swarm-worker"))
    swarm = tmp_path / "docker" / "swarm"
    (swarm / "certificates").mkdir(parents=True)
    authority.issue("worker2", "swarm-worker", into=swarm / "certificates")
    async with serving(answer(200, messages.Empty()), impostor) as address:
        (swarm / "state.json").write_text(json.dumps([{"addr": "127.0.0.1:2377"}]))
        ask = swarm_client(tmp_path / "docker", int(address.partition(":")[2]))
        with pytest.raises(ControllerUnreachable, match=r"(?i)certificate|hostname"):
            await ask.hello(messages.Hello(vm="v", boot="b", hostname="h"))
        await ask.close()


def test_manager_list_has_every_form_of_address_once(tmp_path: Path) -> None:
    """Remotes first, the node itself last, IPv6 in brackets, wild-card addresses left out."""
    swarm = tmp_path / "swarm"
    swarm.mkdir()
    remotes = [{"addr": "10.0.0.1:2377"}, {"addr": "[fd00::1]:2377"}, {"addr": "10.0.0.1:2377"}, {}]
    (swarm / "state.json").write_text(json.dumps(remotes))
    own = {"LocalAddr": "10.0.0.9", "AdvertiseAddr": "10.0.0.9:2377", "ListenAddr": "0.0.0.0:2377", "RemoteAddr": ""}
    (swarm / "docker-state.json").write_text(json.dumps(own))

    assert manager_addresses(tmp_path, 7490) == ("10.0.0.1:7490", "[fd00::1]:7490", "10.0.0.9:7490")


@pytest.mark.parametrize("content", ["", "null", "{broken", "{}"])
def test_node_without_managers_is_told_so(tmp_path: Path, content: str) -> None:
    """No file, or one that says nothing, is an error with the cure."""
    with pytest.raises(NoManagers, match="docker swarm join"):
        manager_addresses(tmp_path, 7490)
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "state.json").write_text(content)
    with pytest.raises(NoManagers, match="still in the swarm"):
        manager_addresses(tmp_path, 7490)


async def test_an_address_that_took_no_connection_is_not_asked_again_for_a_while() -> None:
    """A manager that lost its power answers nothing: asking it each time would cost seconds."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        taken = [socket.socket() for _ in range(4)]
        for each in taken:
            each.setblocking(False)
            each.connect_ex(place)  # fills the queue: further ones get no answer
        async with serving(answer(503, messages.Problem("an election"))) as other:
            dead = f"127.0.0.1:{place[1]}"
            made = ControllerClient(lambda: (dead, other), lambda: None, connect_seconds=0.3)
            with pytest.raises(ControllerUnreachable, match=dead):
                await made.get("data")
            with pytest.raises(ControllerUnreachable) as second:
                await made.get("data")
            assert dead not in second.value.why
            await made.close()
        for each in taken:
            each.close()


async def test_where_nobody_listens_on_any_manager_it_is_said_that_drained_ones_run_no_controller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    async with client(free) as asking:
        with pytest.raises(ControllerUnreachable, match="drained manager runs no controller: `docker node ls`"):
            await asking.get("data")
    async with serving(answer(500, messages.Problem("a bug"))) as ill, client(free, ill) as asking:
        with pytest.raises(ControllerUnreachable) as told:
            await asking.get("data")
    assert "drained" not in told.value.why

"""The lab's driver against a small server that misbehaves: which outcome each misbehaviour is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from controller.model import DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, InDoubt, Outcome, PowerEvent, Refused, Unreachable
from drivers.lab import LabDriver, create

VM, DISK = VmId("11111111-0000-4000-8000-000000000000"), DiskId("data")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def driver_for(port: int, tmp_path: Path, **settings: object) -> LabDriver:
    token = tmp_path / "token"
    token.write_text("secret\n")
    return create({"url": f"http://127.0.0.1:{port}", "token_file": str(token), **settings})


@asynccontextmanager
async def asking(handler: Handler, tmp_path: Path, **settings: object) -> AsyncIterator[LabDriver]:
    """A driver whose machine host answers everything with ``handler``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    driver = driver_for(runner.addresses[0][1], tmp_path, **settings)
    try:
        yield driver
    finally:
        await driver.close()
        await runner.cleanup()


def answering(body: object, status: int = 200) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(body), status=status)

    return handler


async def hang_up(request: web.Request) -> web.Response:
    await request.read()
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def attach(driver: LabDriver, *disks: DiskId) -> list[Outcome]:
    return list(await driver.attach(disks or (DISK,), VM, Epoch(1)))


async def test_nobody_listening_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        driver = driver_for(unused.getsockname()[1], tmp_path)
        assert [type(each) for each in await attach(driver)] == [Unreachable]
        await driver.close()


async def test_a_connection_lost_after_sending_is_in_doubt(tmp_path: Path) -> None:
    async with asking(hang_up, tmp_path) as driver:
        assert [type(each) for each in await attach(driver)] == [InDoubt]
        assert isinstance(await driver.create(VolumeKey("data"), Spec(512)), InDoubt)
        assert isinstance(await driver.delete(DISK), InDoubt)


async def test_no_answer_in_time_is_in_doubt(tmp_path: Path) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    # Not shorter: a busy machine may be late with the connection, and then nothing is in doubt.
    async with asking(silent, tmp_path, call_timeout=0.05, connect_timeout=3.0) as driver:
        assert [type(each) for each in await attach(driver)] == [InDoubt]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Refused), (401, Refused), (404, Refused), (409, Refused), (500, InDoubt), (502, InDoubt)]
)
async def test_an_error_is_refused_if_the_caller_is_wrong_and_in_doubt_if_the_host_is(
    tmp_path: Path, status: int, kind: type[Outcome]
) -> None:
    async with asking(answering({"why": "Because."}, status), tmp_path) as driver:
        (outcome,) = await attach(driver)
        assert type(outcome) is kind
        assert not isinstance(outcome, Done)
        assert "Because." in outcome.why


async def test_a_wrong_token_is_told_with_the_setting_to_look_at(tmp_path: Path) -> None:
    async with asking(answering({"why": "Wrong."}, 401), tmp_path) as driver:
        (outcome,) = await attach(driver)
        assert isinstance(outcome, Refused)
        assert "token_file" in (outcome.cure or "")


@pytest.mark.parametrize("body", ["words", [{"disk": "data"}], [{"disk": "other", "outcome": "done"}], []])
async def test_an_answer_that_cannot_be_understood_is_in_doubt(tmp_path: Path, body: object) -> None:
    async with asking(answering(body), tmp_path) as driver:
        assert [type(each) for each in await attach(driver)] == [InDoubt]


async def test_each_disk_has_its_own_outcome(tmp_path: Path) -> None:
    body = [{"disk": "data", "outcome": "done"}, {"disk": "other", "outcome": "refused", "why": "It is taken."}]
    async with asking(answering(body), tmp_path) as driver:
        assert await attach(driver, DISK, DiskId("other")) == [Done(), Refused("It is taken.")]


async def test_a_disk_is_known_by_the_name_that_the_host_gives_it(tmp_path: Path) -> None:
    async with asking(answering({"id": "data-1", "size_bytes": 512}), tmp_path) as driver:
        assert await driver.create(VolumeKey("data"), Spec(512)) == Created(DiskId("data-1"))


async def test_the_token_goes_with_every_call(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=b"[]")

    async with asking(note, tmp_path) as driver:
        await driver.list_attachments()
        await driver.power([VM])
    assert seen == ["Bearer secret", "Bearer secret"]


@pytest.mark.parametrize(
    "handler",
    [hang_up, answering({}, 500), answering({"half": "an answer"})],
    ids=["hangs up", "fails", "answers nonsense"],
)
async def test_what_cannot_be_read_is_an_error_and_never_empty(tmp_path: Path, handler: Handler) -> None:
    async with asking(handler, tmp_path) as driver:
        with pytest.raises(DriverError):
            await driver.list_attachments()
        with pytest.raises(DriverError):
            await driver.power([VM])


async def test_a_power_off_counts_only_as_read_back(tmp_path: Path) -> None:
    def host(power: str, post_status: int) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            if request.method == "POST":
                return web.Response(status=post_status, body=b'{"power": "off"}')
            return web.Response(body=msgspec.json.encode([{"id": VM, "name": "n", "power": power, "boot": ""}]))

        return handler

    async with asking(host("on", 200), tmp_path) as driver:
        assert await driver.power_off(VM) is Power.ON
    async with asking(host("off", 500), tmp_path) as driver:
        assert await driver.power_off(VM) is Power.OFF
    async with asking(hang_up, tmp_path) as driver:
        assert await driver.power_off(VM) is Power.UNKNOWN


async def test_the_watcher_says_that_there_was_a_gap_each_time_it_listens_again(tmp_path: Path) -> None:
    async def one_event(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in ("attached", "power-off"):
            await response.write(msgspec.json.encode({"vm": VM, "event": event}) + b"\n\n")
        return response

    async with asking(one_event, tmp_path) as driver:
        events = driver.watch_power()
        assert [await anext(events) for _ in range(4)] == [PowerEvent(None), PowerEvent(VM)] * 2


@pytest.mark.parametrize(
    "wrong",
    [{"url": "10.77.0.1:7070"}, {"url": "http://host/path"}, {"tokenfile": "x"}, {"call_timeout": 0}],
    ids=["no scheme", "with a path", "unknown key", "no time"],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        driver_for(1, tmp_path, **wrong)


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        driver_for(1, tmp_path, token_file=str(tmp_path / "empty"))

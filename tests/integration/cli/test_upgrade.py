"""The command tells how far an upgrade is, and by its code whether to go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from controller.cli.client import Exit
from controller.protocol import operator
from controller.protocol.messages import Problem
from controller.protocol.views import StatusView, UpgradeView
from tests.support.api_site import site
from tests.support.certificates import SwarmCa
from tests.support.terminal import reberth


async def test_it_answers_in_each_form_and_ends_with_what_it_found(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        fine = await reberth(place.door, "upgrade")
        assert (fine.returncode, fine.stderr) == (Exit.DONE, "")
        assert "nothing is in the way of another upgrade" in fine.stdout
        assert (await reberth(place.door, "pause", "--reason", "works")).returncode == 0
        await place.look()
        held = await reberth(place.door, "upgrade", "-o", "json")
        assert held.returncode == Exit.HELD
        found = msgspec.json.decode(held.stdout, type=UpgradeView)
        assert found.verdict == "wait"
        assert 'paused ("works")' in found.holds[0]
        table = await reberth(place.door, "upgrade")
        assert table.returncode == Exit.HELD
        assert "Not now" in table.stdout
        assert '"verdict": "wait"' in (await reberth(place.door, "upgrade", "-o", "yaml")).stdout


async def test_without_a_controller_it_says_so_and_ends_as_the_other_commands(tmp_path: Path) -> None:
    found = await reberth(tmp_path / "no.sock", "upgrade")
    assert (found.returncode, found.stdout) == (Exit.UNANSWERED, "")
    assert "there is no controller" in found.stderr


@asynccontextmanager
async def older_controller(door: Path) -> AsyncIterator[None]:
    """It acts, knows `status`, and not what came after it."""

    async def answer(request: web.Request) -> web.Response:
        if request.path != operator.STATUS.path:
            return web.Response(status=404, body=msgspec.json.encode(Problem(f"there is no {request.path}")))
        return web.Response(body=msgspec.json.encode(StatusView(1, "m1", None, 0.0, version="0.0.9")))

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(door)).start()
        yield
    finally:
        await runner.cleanup()


async def test_while_an_older_controller_acts_one_is_told_to_wait_for_it(tmp_path: Path) -> None:
    async with older_controller(tmp_path / "door.sock"):
        found = await reberth(tmp_path / "door.sock", "upgrade", "--json")
    assert found.returncode == Exit.HELD
    view = msgspec.json.decode(found.stdout, type=UpgradeView)
    assert (view.version, view.holder) == ("0.0.9", "m1")
    assert "reberth_controller" in view.holds[0]

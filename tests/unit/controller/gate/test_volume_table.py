"""What the gate keeps in mind of volumes, and for how long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


async def test_volume_that_is_not_used_any_more_is_forgotten_and_known_again_when_asked_for(tmp_path: Path) -> None:
    """The report and the file stay small; the controller's order makes the same promise anew."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "a")
        await asyncio.sleep(3600)
        assert controller.said("data") is not None
        await gate.unmount("data", "a")
        await asyncio.sleep(800)
        assert controller.said("data") is not None
        await asyncio.sleep(200)
        assert controller.said("data") is None
        assert b"data" not in (tmp_path / "state" / "gate.json").read_bytes()

        controller.release("data", 4)
        await asyncio.sleep(1)
        said = controller.said("data")
        assert said is not None
        assert (said.state, said.serial, said.floor) == ("unmounted", 4, 4)


async def test_volume_that_a_call_waits_for_is_not_forgotten(tmp_path: Path) -> None:
    """Its promise stands as long as an answer to that call may come."""
    controller = FakeController()
    controller.release("data", 4)
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        await asyncio.sleep(1)
        for _ in range(12):
            waiting = tasks.create_task(gate.mount("data", "a"))
            await asyncio.sleep(90)
            waiting.cancel()
        assert gate.volumes.volume("data").refuses(grant(serial=4))

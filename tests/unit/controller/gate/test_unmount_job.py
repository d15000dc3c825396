"""What a look at a mounted disk finds, and what follows from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


async def test_stall_of_the_storage_takes_nothing_from_a_container_and_is_told(tmp_path: Path) -> None:
    """The disk is still attached: reads that fail are a problem, which passes with the stall."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        host.sick = "the disk cannot be read"
        await asyncio.sleep(20)
        assert host.table
        assert host.removed == []
        said = controller.said("data")
        assert said is not None
        assert "the disk cannot be read, while its container runs" in (said.problem or "")

        host.sick = None
        await asyncio.sleep(5)
        said = controller.said("data")
        assert said is not None
        assert (said.state, said.problem) == ("mounted", None)


async def test_disk_that_was_taken_from_the_vm_is_unmounted_though_it_cannot_be_flushed(tmp_path: Path) -> None:
    """Nothing can be written to it any more: it leaves no ghost behind."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        host.sick, host.vanished = "the disk was taken from this VM", True
        await asyncio.sleep(3.5)
        assert host.table == {}
        assert host.removed == ["8:16"]
        assert controller.history("data")[-1] == ("unmounted", 1)

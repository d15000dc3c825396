"""How full a volume is goes along with the report; a disk that hangs gives no number, and is asked once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.gate.gate import USAGE_SECONDS
from controller.gate.upkeep.usage import EACH_SECONDS
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


@dataclass
class HangingHost(FakeHost):
    """``hangs``: no answer ever comes."""

    hangs: bool = False
    asked: int = 0

    async def usage(self, target: Path) -> tuple[int, int] | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        return await super().usage(target)


def room(controller: FakeController) -> tuple[int, int]:
    said = controller.said("data")
    assert said is not None
    return said.used, said.available


async def test_what_is_used_is_told_while_it_is_mounted_and_not_afterwards(tmp_path: Path) -> None:
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "a")
        await asyncio.sleep(2 * EACH_SECONDS)
        assert room(controller) == (4096, 8192)
        await gate.unmount("data", "a")
        await asyncio.sleep(1)
        assert room(controller) == (0, 0)


async def test_a_disk_that_hangs_has_no_number_instead_of_an_old_one_and_is_not_asked_again(tmp_path: Path) -> None:
    host, controller = HangingHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        await asyncio.sleep(2 * EACH_SECONDS)
        host.hangs, host.asked = True, 0
        await asyncio.sleep(10 * EACH_SECONDS)
        assert (room(controller), host.asked) == ((0, 0), 1)
        began = asyncio.get_running_loop().time()
        known = await gate.get("data")
        assert known is not None
        assert (known.usage, host.asked) == (None, 1)
        assert asyncio.get_running_loop().time() - began <= 2 * USAGE_SECONDS

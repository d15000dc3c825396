"""What was deleted is given back: piece by piece, once a day, and never in the way of an unmount."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.gate.gate import Gate
from controller.gate.upkeep.trimming import EACH_SECONDS, FIRST_SECONDS, LOOK_SECONDS, PIECE, Trimming
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime

FIRST = 2 * FIRST_SECONDS + 2 * LOOK_SECONDS
PIECES = [0, PIECE, 2 * PIECE, 3 * PIECE]


@dataclass
class HangingHost(FakeHost):
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def trim(self, target: Path, start: int, length: int) -> int | None:
        await super().trim(target, start, length)
        await self.goes_on.wait()
        return 0


async def mounted(host: FakeHost, folder: Path) -> Gate:
    """What a gate knows that has mounted a volume; it is not at work any more, as it would be for days of nothing."""
    controller = FakeController()
    controller.grant(grant())
    async with running(host, controller, folder) as gate:
        await gate.mount("data", "a")
    return gate


@asynccontextmanager
async def trimming(host: FakeHost, gate: Gate) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as jobs:
        work = jobs.create_task(Trimming(host, gate.volumes).run(jobs))
        yield
        work.cancel()


async def test_a_mounted_file_system_is_gone_through_in_pieces_and_again_the_next_day(tmp_path: Path) -> None:
    host = FakeHost()
    async with trimming(host, await mounted(host, tmp_path)):
        await asyncio.sleep(FIRST)
        assert host.trimmed == PIECES
        await asyncio.sleep(EACH_SECONDS)
        assert host.trimmed == PIECES * 2


async def test_a_disk_that_hangs_is_asked_once_and_nothing_more_when_it_is_not_mounted_any_more(tmp_path: Path) -> None:
    host = HangingHost()
    gate = await mounted(host, tmp_path)
    async with trimming(host, gate):
        await asyncio.sleep(FIRST + 2 * EACH_SECONDS)
        assert host.trimmed == [0]
        gate.volumes.observe({})
        host.goes_on.set()
        await asyncio.sleep(2 * EACH_SECONDS)
        assert host.trimmed == [0]

"""Names that are no whole disk are not opened, and what hangs holds up one LUN alone."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from controller.reservations.lun import Lun
from controller.reservations.scsi import NoAnswer, NotSent
from drivers.lun.threads import Threads


@pytest.mark.parametrize("name", ["../../sda", "", "..", "wwn-gone"])
async def test_a_name_that_is_none_is_not_asked_and_nothing_is_made(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotSent):
        await Threads(5, tmp_path).ask(name, lambda lun: lun.size)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in a coroutine


async def test_a_plain_file_under_the_name_of_a_lun_is_not_asked(tmp_path: Path) -> None:
    """As a write to a disk that is gone leaves one."""
    (tmp_path / "wwn-0x5").write_bytes(bytes(4 << 20))
    with pytest.raises(NotSent, match="no block device"):
        await Threads(5, tmp_path).ask("wwn-0x5", lambda lun: lun.size)


class Hanging(Threads):
    """LUNs of which one answers nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__(0.05)
        self.goes_on = threading.Event()

    async def look(self, lun: str) -> int:
        work = (lambda: 5) if lun != "hung" else (lambda: int(self.goes_on.wait(10)))
        return await self._ended(lun, work, 0.05)


async def test_a_lun_that_hangs_is_in_doubt_and_asked_nothing_more_until_it_answers() -> None:
    luns = Hanging()
    with pytest.raises(NoAnswer, match="did not answer within"):
        await luns.look("hung")
    with pytest.raises(NotSent, match="has not answered an earlier command yet"):
        await luns.ask("hung", Lun.state)
    assert await luns.look("well") == 5

    luns.goes_on.set()
    async with asyncio.timeout(5):
        while luns._left["hung"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await luns.look("hung") == 1

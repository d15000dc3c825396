"""Names that are no whole disk are not opened, and what hangs holds up one LUN alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.reservations.lun import Lun
from controller.reservations.scsi import NotSent
from drivers.lun.reach import MOST, Local
from drivers.shared.faults import Doubt
from drivers.shared.faults import NotSent as Unsent


@pytest.mark.parametrize("name", ["../../sda", "", "..", "wwn-gone"])
async def test_a_name_that_is_none_is_not_asked_and_nothing_is_made(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotSent):
        await Local(5, tmp_path).ask(name, lambda lun: lun.size)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in a coroutine


async def test_a_plain_file_under_the_name_of_a_lun_is_not_asked(tmp_path: Path) -> None:
    """As a write to a disk that is gone leaves one."""
    (tmp_path / "wwn-0x5").write_bytes(bytes(4 << 20))
    with pytest.raises(NotSent, match="no block device"):
        await Local(5, tmp_path).ask("wwn-0x5", lambda lun: lun.size)


async def test_a_lun_that_hangs_is_asked_nothing_more_after_a_while_and_no_other_one_waits(tmp_path: Path) -> None:
    goes_on = threading.Event()

    @contextmanager
    def opens(name: str, _by_id: Path) -> Iterator[Lun]:
        if name == "hung":
            goes_on.wait(10)
        yield Lun(-1, 5)

    luns = Local(5, tmp_path, opens)
    for _ in range(MOST):
        with pytest.raises(Doubt, match="hung did not answer within"):
            await luns.ask("hung", lambda lun: lun.size, 0.01)
    with pytest.raises(Unsent, match="still have no answer"):
        await luns.ask("hung", lambda lun: lun.size)
    assert await luns.ask("well", lambda lun: lun.size) == 5
    goes_on.set()

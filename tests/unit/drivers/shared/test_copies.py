"""What a process knows of the copies that it makes itself."""

from __future__ import annotations

from controller.model import DiskId
from drivers.base import Refused
from drivers.shared.copies import Sources

ONE, TWO = DiskId("one"), DiskId("two")


def test_a_disk_is_busy_until_the_last_of_its_copies_ends() -> None:
    sources = Sources(2.0)
    with sources.copying(ONE):
        with sources.copying(ONE):
            pass
        assert sources.busy(ONE) == Refused("one is being copied", 2.0)
        assert sources.busy(TWO) is None
    assert sources.busy(ONE) is None

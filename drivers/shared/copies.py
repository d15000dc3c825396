"""Which disks this process is copying now. Between processes the storage's own locks decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from controller.model import DiskId
from drivers.base import Outcome, Refused


class Sources:
    """``pause``: seconds after which whoever is refused asks again."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._copies: Counter[DiskId] = Counter()

    def busy(self, disk: DiskId) -> Refused | None:
        """Why this disk may be neither attached nor deleted now."""
        return Refused(f"{disk} is being copied", self._pause) if self._copies[disk] else None

    def busy_ones(self, disks: Sequence[DiskId]) -> dict[DiskId, Outcome]:
        return {disk: busy for disk in disks if (busy := self.busy(disk)) is not None}

    @contextmanager
    def copying(self, source: DiskId) -> Iterator[None]:
        self._copies[source] += 1
        try:
            yield
        finally:
            self._copies[source] -= 1

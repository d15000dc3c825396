"""The node's disks, asked in threads: a read from a disk that lost its path can hang."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from controller.gate.kernel.device import BY_ID, Device, gone, identity, in_use, open_device, sickness
from controller.gate.kernel.scsi import remove_scsi, rescue
from controller.gate.kernel.subprocesses import in_thread


class BlockDevices:
    """The node's disks. ``by_id`` is where udev names them."""

    def __init__(self, by_id: Path = BY_ID) -> None:
        self._by_id = by_id

    async def find(self, names: Sequence[str]) -> Device | None:
        """The first of the names that is a disk with a size; see `open_device`."""
        return await in_thread(lambda: open_device(names, self._by_id))

    async def in_use(self, number: str) -> bool:
        return await in_thread(lambda: in_use(number))

    async def gone(self, number: str) -> bool:
        return await in_thread(lambda: gone(number))

    async def sickness(self, number: str) -> str | None:
        return await in_thread(lambda: sickness(number))

    async def identity(self, number: str) -> str | None:
        return await in_thread(lambda: identity(number))

    async def rescue(self, names: Sequence[str]) -> None:
        await in_thread(lambda: rescue(names, self._by_id))

    async def remove(self, number: str) -> bool:
        return await in_thread(lambda: remove_scsi(number))

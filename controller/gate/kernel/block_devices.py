"""
The node's disks, asked in threads. What a disk has to answer is a question (`Questions`): a read from a disk that lost
its path can hang. What only /sys tells is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from controller.gate.kernel.device import (
    BY_ID,
    Device,
    busy,
    gone,
    identity,
    in_use,
    open_devices,
    read_fails,
    removable,
    symptom,
)
from controller.gate.kernel.scsi import remove_scsi, rescue
from controller.gate.kernel.subprocesses import Questions, Stalled, in_background, in_thread


class BlockDevices:
    """The node's disks. ``by_id`` is where udev names them."""

    def __init__(self, questions: Questions, by_id: Path = BY_ID) -> None:
        self._questions = questions
        self._by_id = by_id

    async def find(self, names: Sequence[str]) -> Device | None:
        """
        The disk that bears one of the names. One that answers a read comes before one that does not, with an error or
        at all: the device of a disk that was taken and came back elsewhere may still be there beside it, and the name
        lead to either.
        """
        what = f"a look for the disk {' or '.join(names)}"
        found = await self._questions.ask(what, lambda: open_devices(names, self._by_id), _close_all)
        try:
            chosen = await self._best(found)
        except BaseException:
            _close_all(found)
            raise
        _close_all(each for each in found if chosen is None or each.fd != chosen.fd)
        return chosen

    async def _best(self, found: Sequence[Device]) -> Device | None:
        failing: Device | None = None
        stalled: Stalled | None = None
        for device in found:
            try:
                if await self._read_fails(device.number) is None:
                    return device
                failing = failing or device
            except Stalled as error:
                stalled = error
        if failing is None and stalled is not None:
            raise stalled
        return None if failing is None else replace(failing, silent=removable(failing.number))

    async def _read_fails(self, number: str) -> str | None:
        return await self._questions.ask(f"a read from the disk {number}", lambda: read_fails(number))

    async def close(self, device: Device) -> None:
        with suppress(Stalled):
            await self._questions.ask(f"closing the disk {device.number} ({device.fd})", device.close)

    async def in_use(self, number: str) -> bool:
        return await self._questions.fresh(f"opening the disk {number}", lambda: in_use(number))

    async def busy(self, number: str) -> bool:
        return await self._questions.fresh(f"opening the disk {number} for a program", lambda: busy(number))

    async def gone(self, number: str) -> bool:
        return await in_thread(lambda: gone(number))

    async def sickness(self, number: str) -> str | None:
        """See `symptom` and `read_fails`."""
        found = await in_thread(lambda: symptom(number))
        return found or await self._read_fails(number)

    async def identity(self, number: str) -> str | None:
        return await in_thread(lambda: identity(number))

    async def rescue(self, names: Sequence[str]) -> None:
        await self._questions.ask(f"a scan for the disk {' or '.join(names)}", lambda: rescue(names, self._by_id))

    async def remove(self, number: str) -> bool:
        return await self._questions.ask(f"taking out the disk {number}", lambda: remove_scsi(number))


def _close_all(devices: Iterable[Device]) -> None:
    for device in devices:
        in_background(device.close)

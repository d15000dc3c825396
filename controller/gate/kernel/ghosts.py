"""
SCSI disks that were used here, and that the storage has taken since: their devices are taken out of this kernel.

A hypervisor may leave the device of a disk that it took from a VM that runs (vSphere 9.1; cloudfoundry/bosh-agent#473):
it answers nothing and keeps its address, and the kernel looks at no disk that comes to that address later, or takes it
for the old one. A scan does not help; only the device's removal does.

What is removed is dead, held by nothing, and the very disk that was mounted here. If it was only stalled, and is still
attached, the next mount finds it by a scan of all SCSI hosts.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog

from controller.gate.kernel.host import Host
from controller.gate.kernel.subprocesses import Stalled

log = structlog.get_logger()

DEAD_LOOKS = 2  # in a row: a single failed read is only a symptom


class Ghosts:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._used: dict[str, str] = {}  # the kernel's number of each disk that was mounted here: its identity
        self._dead: dict[str, int] = {}  # looks in a row that found it dead

    async def look(self, mounted: Collection[str]) -> None:
        """``mounted``: numbers of the disks that are in use, or about to be."""
        for number in mounted:
            self._forget(number)
            if (identity := await self._host.identity(number)) is not None:
                self._used[number] = identity
        for number in self._used.keys() - set(mounted):
            await self._look_at(number)

    async def _look_at(self, number: str) -> None:
        if await self._host.identity(number) != self._used[number]:  # gone; the number may be another disk's now
            self._forget(number)
            return
        try:
            why = await self._host.sickness(number)
            self._dead[number] = self._dead.get(number, 0) + 1 if why is not None else 0
            if self._dead[number] < DEAD_LOOKS or await self._host.in_use(number):
                return
            await self._remove(number, why or "")
        except Stalled:
            return  # it may answer yet

    async def _remove(self, number: str, why: str) -> None:
        try:
            await self._host.remove(number)
        except OSError as error:
            log.warning("ghost.kept", disk=self._used[number], why=f"{why}; it cannot be removed: {error}")
        else:
            log.info("ghost.removed", disk=self._used[number], why=f"unmounted before, and now {why}")
        self._forget(number)

    def _forget(self, number: str) -> None:
        self._used.pop(number, None)
        self._dead.pop(number, None)


async def may_be_used(host: Host, numbers: Collection[str]) -> frozenset[str]:
    """Those that somebody here has; of a disk that does not answer nobody knows."""
    found = set()
    for number in numbers:
        try:
            used = await host.in_use(number)
        except Stalled:
            used = True
        found |= {number} if used else set()
    return frozenset(found)

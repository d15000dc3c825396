"""
VMs that something was heard about: the looks that follow ask for their power, whatever Swarm says of their nodes.

An event is a poke and never a fact. It may come before the state that it tells of can be read, so a VM is asked for
again for some seconds. What comes while this controller does not act is kept that long, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from controller.model import VmId
from drivers.base import PowerDriver

SECONDS = 3.0
PACE = 0.5  # seconds between two looks while somebody is suspected
AGAIN = 10.0  # seconds after a driver's events have ended

_log = structlog.get_logger(__name__)


class Suspects:
    def __init__(self, clock: Callable[[], float], seconds: float = SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until: dict[VmId, float] = {}

    def add(self, vm: VmId) -> None:
        self._until[vm] = self._clock() + self._seconds

    def now(self) -> frozenset[VmId]:
        now = self._clock()
        self._until = {vm: until for vm, until in self._until.items() if until > now}
        return frozenset(self._until)


async def watch(driver: PowerDriver, suspects: Suspects, wakeup: Callable[[str], None]) -> None:
    """For ever: each of the driver's events makes the next look ask for that VM's power."""
    while True:
        try:
            async for event in driver.watch_power():
                if event.vm is not None:
                    suspects.add(event.vm)
                what = "the hypervisor's events" if event.vm is None else f"something changed about VM {event.vm}"
                wakeup(what)
        except Exception:  # noqa: BLE001 -- a driver's bug: the events only make a failover faster
            _log.exception("internal.error", why="the hypervisor's events met a bug")
        await asyncio.sleep(AGAIN)

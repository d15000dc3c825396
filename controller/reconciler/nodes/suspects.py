"""
VMs that something was heard about: the looks that follow ask for their power, whatever Swarm says of their nodes.

An event is a poke and never a fact. It may come before the state that it tells of can be read, so a VM is asked for
again for some seconds. What comes while this controller does not act is kept that long, too.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.model import VmId

SECONDS = 3.0
PACE = 0.5  # seconds between two looks while somebody is suspected


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

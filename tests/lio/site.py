"""The bed as drivers and gates see it, and one bed for all tests of a process."""

from __future__ import annotations

import asyncio
import atexit
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from controller.model import Connection, Epoch, VmId
from controller.reservations.lun import Lun
from controller.reservations.registering import NotRegistered, Registered, Word
from drivers.base import Done, InDoubt, Outcome, Refused, Unreachable
from drivers.lun.driver import LunDriver
from drivers.lun.settings import Settings
from tests.lio.bed import NODES, Bed

T = TypeVar("T")
VMS = {VmId(f"00000000-0000-4000-8000-00000000000{number}"): name for number, name in enumerate(NODES, 1)}


class Remote:
    """The LUNs as one initiator in the guest reaches them: the very code that runs on a manager, run there."""

    def __init__(self, bed: Bed, nexus: str) -> None:
        self._bed, self._nexus = bed, nexus

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        return cast("T", await asyncio.to_thread(self._bed.call, "lun", self._nexus, lun, act))


class Gates:
    """What gates do: each registers its own nexus. ``off``: VMs that are."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.off: set[VmId] = set()
        self.epochs: list[Epoch] = []

    async def connect(self, vm: VmId, what: Sequence[Connection]) -> Sequence[Outcome]:
        return [await self._ask("register", vm, each) for each in what]

    async def disconnect(self, vm: VmId, what: Sequence[Connection]) -> Sequence[Outcome]:
        return [await self._ask("unregister", vm, each) for each in what]

    async def _ask(self, call: str, vm: VmId, what: Connection) -> Outcome:
        if vm in self.off:
            return Unreachable(f"the gate of VM {vm} is not heard")
        word = cast("Word", await asyncio.to_thread(self._bed.call, call, VMS[vm], what.by_id, what.key))
        if isinstance(word, Registered):
            return Done()
        return Refused(word.why) if isinstance(word, NotRegistered) else InDoubt(word.why)


def settings(bed: Bed) -> Settings:
    return Settings(pool="swarm-1", luns=bed.luns, vms=tuple(VMS), look_timeout=60, call_timeout=60)


def driver(bed: Bed, nexus: str, instance: int, gates: Gates) -> LunDriver:
    made = LunDriver(settings(bed), Remote(bed, nexus), instance)
    made.use_nodes(gates)
    return made


@cache
def shared_bed() -> Bed:
    bed = Bed(Path(tempfile.mkdtemp(prefix="lio-")))
    atexit.register(bed.close)
    return bed

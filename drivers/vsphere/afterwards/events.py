"""
What was done to a VM's disks, as events of that VM in vCenter: its own tasks only say "reconfigured".

For people alone: nothing waits long for it, nothing fails for it, and a user without the privilege is asked no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from controller.model import DiskId, Epoch
from drivers.base import Done, Outcome
from drivers.shared.faults import CallError
from drivers.vsphere.faults import Kind, is_kind
from drivers.vsphere.inventory import Vm, key_of

log = structlog.get_logger()
PATIENCE = 5.0  # seconds; the task waits meanwhile
_NAMED = 10  # disks in one event


class Calls(Protocol):
    async def log_event(self, ref: str, text: str) -> None:
        """Raises `NotSent`, `Doubt` or `Fault`."""
        ...


class Events:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._allowed = True

    async def tell(self, vm: Vm | None, what: str, outcomes: Mapping[DiskId, Outcome], epoch: Epoch) -> None:
        """``what``: attached or detached; only of disks whose outcome is Done."""
        done = [key_of(disk) for disk, outcome in outcomes.items() if outcome == Done()]
        if vm is None or not done or not self._allowed:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._calls.log_event(vm.ref, sentence(what, done, epoch))
        except (CallError, TimeoutError) as error:
            self._allowed = not is_kind(error, Kind.PERMISSION, Kind.INVALID)
            log.info("event.not_logged", vm=vm.name, why=str(error) or "no answer in time")


def sentence(what: str, keys: Sequence[str], epoch: Epoch) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    volumes = "volume" if len(keys) == 1 else "volumes"
    return f"reberth: {volumes} {', '.join(keys[:_NAMED])}{more} {what} (epoch {epoch})"

"""
Which volumes a VM has, as a custom attribute of it: shown on its page and as a column of lists in the vSphere Client.

Only with the setting ``custom_attribute``, and for people alone: nothing is decided by it, nothing waits long for it,
nothing fails for it. Where it is wrong or missing, nothing is wrong with a disk.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from drivers.shared.faults import CallError
from drivers.vsphere.faults import Kind, is_kind
from drivers.vsphere.inventory import Place, Vm, key_of, ours

log = structlog.get_logger()
PATIENCE = 3.0  # seconds for all of it; the task waits meanwhile
_NAMED = 20  # volumes in one value
_NEVER = (Kind.PERMISSION, Kind.INVALID, Kind.LICENSE, Kind.NOT_FOUND)  # asking again would not help


class Calls(Protocol):
    """Each may raise `NotSent`, `Doubt` or `Fault`."""

    async def vm(self, ref: str) -> Vm: ...

    async def set_attribute(self, ref: str, name: str, text: str) -> None: ...


class Attributes:
    """``name``: of the attribute; None: there is none."""

    def __init__(self, calls: Calls, name: str | None) -> None:
        self._calls = calls
        self._name = name

    async def show(self, vm: Vm | None, place: Place) -> None:
        """By what the VM shows now, after a change of its disks."""
        if vm is None or self._name is None:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                now = await self._calls.vm(vm.ref)
                await self._calls.set_attribute(vm.ref, self._name, value([key_of(disk) for disk in ours(now, place)]))
        except (CallError, TimeoutError) as error:
            if is_kind(error, *_NEVER):
                self._name = None
            log.info("attribute.not_set", vm=vm.name, why=str(error) or "no answer in time")


def value(keys: list[str]) -> str:
    """In order, so that it changes only when the volumes do."""
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return f"{', '.join(sorted(keys)[:_NAMED])}{more}"

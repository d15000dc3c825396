"""
The power driver ``none``: nobody can say whether a machine runs, nor end it.

For a storage system whose driver knows nothing about power, and machines that nothing reaches. What is left as evidence
is a gate's release, a disk that the storage has already taken away, and a person's ``reberth confirm-dead``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from controller.model import Power, VmId
from drivers.base import PowerEvent


class NoPower:
    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        return dict.fromkeys(vms, Power.UNKNOWN)

    async def power_off(self, vm: VmId) -> Power:  # noqa: ARG002 - none can be reached
        return Power.UNKNOWN

    async def watch_power(self) -> AsyncIterator[PowerEvent]:
        await asyncio.Event().wait()
        yield PowerEvent(None)

    async def close(self) -> None:
        """Nothing is open."""


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It has none."""


def create(settings: Mapping[str, object]) -> NoPower:
    """Entry point of ``reberth.power``."""
    msgspec.convert(settings, NoSettings)
    return NoPower()

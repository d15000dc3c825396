"""
What room datastores have, and what our disks take there. A search of the folder tells the latter; it may take long.

Numbers for people: what is not told in time is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from controller.model import DiskId
from drivers.base import Room
from drivers.shared.faults import CallError
from drivers.vsphere.inventory import Found, Place, keys_of

PATIENCE = 6.0  # seconds for all searches: under the loop's read_deadline, so that the room is told at any rate


class Calls(Protocol):
    """Each may raise `NotSent`, `Doubt` or `Fault`."""

    async def rooms(self, at: Sequence[Place]) -> Mapping[str, Room]: ...

    async def files(self, at: Place, pattern: str) -> tuple[Found, ...]: ...


async def measure(calls: Calls, places: Sequence[Place]) -> list[Room]:
    told = await calls.rooms(places)
    used: dict[str, Mapping[DiskId, int]] = {}
    try:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(_search(calls, place, used))
    except TimeoutError:
        pass  # those that were told are told
    return [replace(room, used=used.get(name, {})) for name, room in told.items()]


async def _search(calls: Calls, place: Place, used: dict[str, Mapping[DiskId, int]]) -> None:
    try:
        found = await calls.files(place, "*.vmdk")
    except CallError:
        return
    used[place.name] = taken(found, place)


def taken(found: Sequence[Found], place: Place) -> dict[DiskId, int]:
    """Of whole disks of which the server tells it. Pure."""
    whole = {place.disk(key): f"{key}.vmdk" for key in keys_of(found, "")}
    told = {each.name: each.used_bytes for each in found if each.used_bytes is not None}
    return {disk: told[name] for disk, name in whole.items() if name in told}

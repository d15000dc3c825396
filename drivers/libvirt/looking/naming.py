"""
Which disk of ours it is that a VM has on another file.

What the device bears was made from the disk's path and does not tell it: it is compared with the disks that there are.
One that none of them fits is no volume's of ours, or its file is gone: then no VM can be given that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from controller.model import DiskId
from drivers.libvirt.decide import Look
from drivers.libvirt.looking.moved import Stray, guesses, named, strays, unnamed
from drivers.libvirt.looking.pools import Pools
from drivers.libvirt.stores import Disks


class Namer:
    """``disks``: all that there are in these pools, asked for only while one was moved."""

    def __init__(self, disks: Callable[[Pools], Awaitable[Disks]], seconds: float) -> None:
        self._disks = disks
        self._seconds = seconds
        self._names: dict[str, DiskId] = {}  # what a hash was made of does not change

    async def named(self, look: Look) -> Look:
        """With what is told of disks that were moved."""
        if not (found := strays(look.seats)):
            return look
        self._names |= named(found, guesses(found, look.pools))
        unknown = self._unknown(found)
        there = await self._searched(look.pools) if unknown else Disks(())
        self._names |= named(unknown, there.each)
        blind = self._unknown(unknown) if there.gap else []
        known = frozenset[str]().union(*(each.marks for each in found)) & self._names.keys()
        return replace(
            look,
            astray=frozenset(self._names[mark] for mark in known),
            unnamed={each.seat.vm: unnamed(each, there.gap) for each in blind},
        )

    def _unknown(self, found: Iterable[Stray]) -> list[Stray]:
        return [each for each in found if not each.marks & self._names.keys()]

    async def _searched(self, pools: Pools) -> Disks:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._disks(pools)
        except TimeoutError:
            return Disks((), f"the pools were not listed within {self._seconds:g} s")

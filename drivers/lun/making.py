"""Which LUN becomes which volume's disk, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from controller.model import DiskId, VolumeKey
from controller.reservations.lun import Lun
from controller.reservations.plate import BYTES, Plate, encode, valid_key
from drivers.base import Created, CreateOutcome, Done, Outcome, Refused, Unreachable
from drivers.lun.holding import Luns, Refusal
from drivers.lun.looking import Look, Seat, disk_id, nodes
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure, not_begun

_AGAIN = 5.0  # seconds


class Maker:
    """
    What is written on a LUN is written while this controller holds it, read after it took it. One that was held by
    another controller in between refuses the rest. A create and a delete come with no epoch: they are done under the
    highest one that the LUNs know, so that they never stand in a leader's way.
    """

    def __init__(self, luns: Luns, pool: str, read: Callable[[], Awaitable[Look]]) -> None:
        self._luns, self._pool, self._read = luns, pool, read
        self._one = asyncio.Lock()  # two creates of this process would choose the same LUN

    async def create(self, key: VolumeKey, size: int) -> CreateOutcome:
        if not valid_key(key):
            return Refused(f"{key!r} cannot be written on a LUN")
        async with self._one:
            try:
                found = await self._read()
            except CallError as error:
                return not_begun(error)
            known = self._known(found, key, size)
            return known if known is not None else await self._choose(found, key, size)

    def _known(self, found: Look, key: VolumeKey, size: int) -> CreateOutcome | None:
        """The one made earlier; or why it cannot be said that there is none."""
        named = found.named(key)
        if len(named) > 1:
            luns = ", ".join(each.lun for each in named)
            return Refused(f"several LUNs say that they are {key}: {luns}", cure="Find out which is the right one.")
        if named and named[0].plate is not None:
            if named[0].plate.size != size:
                return Refused(f"{key} exists with {named[0].plate.size} bytes, not {size}")
            return Created(disk_id(key, named[0].lun))
        if found.lost:
            lun, why = next(iter(found.lost.items()))
            return Unreachable(f"not tried: {lun} cannot be read, and may be {key} already: {why}")
        return None

    async def _choose(self, found: Look, key: VolumeKey, size: int) -> CreateOutcome:
        for each in sorted(free(found, size), key=lambda seat: (seat.size, seat.lun)):
            try:
                if await self._name(each, Plate(self._pool, key, size), found):
                    return await self._checked(key, each.lun)
            except CallError as error:
                return failure(error)
        cure = (
            "Add one to `luns` of the lun settings, or ask for less. `sg_persist -k` and `wipefs` show what has others."
        )
        return Refused(f"no LUN of {size} bytes or more is free and empty", cure=cure)

    async def _name(self, seat: Seat, plate: Plate, found: Look) -> bool:
        """False: it is not free. Raises CallError."""
        state = await self._luns.take(seat.lun, found.newest)
        if (
            nodes(state)
            or any(await self._luns.ask(seat.lun, Lun.plate))
            or not await self._luns.ask(seat.lun, Lun.blank)
        ):
            return False
        await self._luns.ask(seat.lun, partial(Lun.name, data=encode(plate)))
        return True

    async def _checked(self, key: VolumeKey, lun: str) -> CreateOutcome:
        """Two controllers may have chosen different LUNs at once, where they did not see the same ones."""
        named = [each.lun for each in (await self._read()).named(key)]
        if named != [lun]:
            return Refused(f"the LUNs that say that they are {key}: {', '.join(named) or 'none'}", retry_after=_AGAIN)
        return Created(disk_id(key, lun))

    async def delete(self, seat: Seat, disk: DiskId) -> Outcome:
        """``seat``: as it was read now. The LUN stays ours, so that nobody who is not registered writes to it."""
        found = await self._read()
        state = await self._luns.take(seat.lun, found.newest)
        if keys := nodes(state):
            there = ", ".join(found.machines.get(each.who, "a VM that nobody knows") for each in keys)
            return Refused(f"{disk} is attached to {there}")
        if await self._luns.ask(seat.lun, Lun.plate) != encode_of(seat):
            raise Refusal(f"{seat.lun} was given to another volume meanwhile")
        await self._luns.ask(seat.lun, Lun.wipe)
        await self._luns.ask(seat.lun, partial(Lun.name, data=bytes(BYTES)))
        return Done()


def encode_of(seat: Seat) -> bytes:
    return b"" if seat.plate is None else encode(seat.plate)


def free(found: Look, size: int) -> list[Seat]:
    """Those that no volume has, that nobody uses as far as the keys tell, and that are large enough."""
    return [
        each
        for each in found.seats.values()
        if each.plate is None
        and not each.bad
        and each.size >= size
        and not nodes(each.state)
        and not found.strangers(each)
    ]

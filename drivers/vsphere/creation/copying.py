"""
Making a disk as a copy of another one.

vCenter copies a file to a name of this call's own, and only a copy that this call saw end well is moved to the disk's
name, never over another file. So a half copy is never found, whoever dies when. While it copies, the server holds a
lock on both files: the source cannot be opened by a VM that runs, and remains of a dead call cannot be removed before
their task has ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import structlog

from controller.model import Attachment, DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, InDoubt, Refused, Unreachable
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError
from drivers.vsphere.async_session import Calls
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Found, Place, by_id, unfinished_pattern

log = structlog.get_logger()
_PAUSE = 5.0  # seconds after which whoever needs a disk that is being copied looks again
_LOCKED = frozenset({Kind.LOCKED, Kind.BUSY, Kind.FILE, Kind.UNKNOWN})  # how servers say that a file is in use


def made_before(disk: DiskId, size: int, found: Sequence[Found]) -> CreateOutcome:
    """Of a disk that vCenter says is there, by what a search for it found. ``size`` in KiB. Pure."""
    if not any(each.name == disk.rsplit("/", 1)[-1] for each in found):
        return InDoubt(f"{disk} exists, but is not found as a disk: look at its files with the datastore browser")
    others = [each.size_kib for each in found if each.size_kib not in {None, size}]
    if others:
        return Refused(f"{disk} exists with {others[0]} KiB, not {size} KiB: choose another name, or that size")
    return Created(disk)


class Copier:
    """``attachments`` raises when nobody can say that a disk is attached nowhere."""

    def __init__(self, calls: Calls, attachments: Callable[[], Awaitable[Sequence[Attachment]]]) -> None:
        self._calls = calls
        self._attachments = attachments
        self.sources = Sources(_PAUSE)

    async def existing(self, disk: DiskId, size: int) -> CreateOutcome:
        """``size`` in KiB."""
        try:
            place = (await self._calls.place()).of(disk)
            found = await self._calls.files(place, disk.rsplit("/", 1)[-1])
        except CallError as error:
            return InDoubt(f"{disk} exists, but its size could not be read: {error}")
        return made_before(disk, size, found)

    async def existing_or(self, disk: DiskId, size: int, otherwise: Refused) -> CreateOutcome:
        """The disk, if there is one."""
        place = (await self._calls.place()).of(disk)
        return await self.existing(disk, size) if await self.has(place, disk) else otherwise

    async def has(self, at: Place, disk: DiskId) -> bool:
        """Whether there is such a file. The folder has to be there."""
        name = disk.rsplit("/", 1)[-1]
        return any(each.name == name for each in await self._calls.files(at, name))

    async def clone(self, at: Place, key: VolumeKey, size: int, source: DiskId) -> CreateOutcome:
        """``at``: the datastore for the copy."""
        try:
            place = await self._calls.place()
            await self._calls.make_folder(at)
            disk = at.disk(key)
            if await self.has(at, disk):
                return await self.existing(disk, size)
            refusal = await self.sweep(at, key) or await self._taken(place, source)
            refusal = refusal or await self._no_room(at, size)
        except CallError as error:
            return Unreachable(str(error))  # nothing was begun
        if refusal is not None:
            return refusal
        with self.sources.copying(source):
            return await self._copy(place, at.unfinished(key, uuid4().hex[:12]), disk, size, source)

    async def _copy(self, place: Place, fresh: DiskId, disk: DiskId, size: int, source: DiskId) -> CreateOutcome:
        try:
            await self._calls.copy_disk(source, fresh)
            await self._apart(fresh, source)
            if (refusal := await self._taken(place, source)) is not None:
                return await self._refused(fresh, refusal)
            await self._calls.move_disk(fresh, disk)
        except CallError as error:
            if not isinstance(error, Fault) or error.in_doubt:
                return InDoubt(str(error))
            outcome = await self._refused(fresh, Refused(str(error)))
            return await self.existing(disk, size) if error.kind is Kind.EXISTS else outcome
        return Created(disk)

    async def _taken(self, place: Place, source: DiskId) -> Refused | None:
        """Before the copy and after it: somebody else's controller may have attached it meanwhile."""
        if (why := place.refusal(source)) is not None:
            return Refused(why)
        if not await self.has(place.of(source), source):
            return Refused(f"there is no disk {source} to copy")
        holder = next((each.vm for each in await self._attachments() if each.disk == source), None)
        return None if holder is None else Refused(f"{source} cannot be copied while it is attached to the VM {holder}")

    async def _no_room(self, place: Place, size: int) -> Refused | None:
        """A copy is as large as its source from the beginning: vCenter makes it thick."""
        free = await self._calls.free_kib(place)
        if free is None or free >= size:
            return None
        return Refused(f"{place.name} has {free} KiB left, and a copy, which is thick, needs {size}: make room")

    async def _apart(self, fresh: DiskId, source: DiskId) -> None:
        """Guests tell disks by their UUIDs, and both may come to be on one VM. Some servers copy that along."""
        if by_id(await self._calls.disk_uuid(fresh)) == by_id(await self._calls.disk_uuid(source)):
            await self._calls.set_disk_uuid(fresh, _new_uuid())

    async def sweep(self, place: Place, key: VolumeKey) -> Refused | None:
        """Removes what calls under this key left behind that were cut off; refused while one of them still copies."""
        for each in await self._calls.files(place, unfinished_pattern(key)):
            left = DiskId(f"[{place.name}] {place.folder}/{each.name}")
            try:
                await self._calls.delete_disk(left)
            except Fault as fault:
                if fault.kind in _LOCKED:
                    return Refused(
                        f"an earlier copy, {left}, is still being made or cannot be removed: {fault}", _PAUSE
                    )
                if fault.kind is not Kind.NOT_FOUND:
                    raise
            else:
                log.info("copy.removed", disk=left, why="whoever made it was cut off")
        return None

    async def _refused(self, fresh: DiskId, refusal: Refused) -> Refused:
        """What cannot be removed now is removed by the next call."""
        with contextlib.suppress(CallError):
            await self._calls.delete_disk(fresh)
        return refusal


def _new_uuid() -> str:
    """As VMware writes its own: 16 bytes in hex, the first ones VMware's."""
    digits = f"6000c29{uuid4().hex}"[:32]
    pairs = [digits[at : at + 2] for at in range(0, 32, 2)]
    return f"{' '.join(pairs[:8])}-{' '.join(pairs[8:])}"

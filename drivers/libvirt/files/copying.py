"""
Making a disk as a copy of another one.

libvirt can copy a file of a pool, but not rename one, and a libvirtd that dies leaves a half file behind under the
final name. So beside a copy under way lies an empty file, its mark: made before the copy, removed after it, by a name
of the call's own. A file with a mark is not whole. Whoever finds one makes a mark first and then removes the other: of
two calls that want the same mark only one gets it, so a copy is either finished by its call or made anew, never both.
A file that has no mark but one's own was finished in between, and stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog

from controller.model import DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, Refused
from drivers.libvirt.client import PoolFiles
from drivers.libvirt.decide import Look, attachments
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import mark, marks_of
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure, not_begun

log = structlog.get_logger()
T = TypeVar("T")
_PAUSE = 2.0  # seconds after which whoever needs a disk that is being copied looks again
_MOST = 7 * 86_400.0  # seconds for a copy: whoever waits has the deadline
_MARK_BYTES = 512


class Run(Protocol):
    """Runs a blocking call on the host that makes and deletes disks."""

    async def __call__(self, act: Callable[[], T], seconds: float | None = None) -> T: ...


class Copier:
    """Everything here may raise `NotSent`, `Doubt` or `Fault`, but for ``clone``."""

    def __init__(self, files: PoolFiles, run: Run, look: Callable[[], Awaitable[Look]], extension: str) -> None:
        self._files = files
        self._run = run
        self._look = look
        self._extension = extension
        self.sources = Sources(_PAUSE)

    async def clone(self, key: VolumeKey, size: int, source: DiskId) -> CreateOutcome:
        try:
            look = await self._look()
            disk = look.pool.disk(key, self._extension)
            if (refusal := _taken(look, source)) is not None:
                found = await self._found(key, disk, size)
                return found or refusal
        except CallError as error:
            return not_begun(error)
        with self.sources.copying(source):
            try:
                return await self._found(key, disk, size) or await self._clone(key, disk, size, source)
            except Fault as fault:
                return Refused(str(fault), _PAUSE)
            except CallError as error:
                return failure(error)

    async def _found(self, key: VolumeKey, disk: DiskId, size: int) -> CreateOutcome | None:
        """The disk, if there is a whole one."""
        files = await self._run(self._files.names)
        if _file(disk) not in files or marks_of(files, key):
            return None
        have = await self._run(partial(self._files.create, _file(disk), size, self._extension))
        if have != size:
            return Refused(f"{disk} exists with {have} bytes, not {size}: choose another name, or that size")
        return Created(disk)

    async def _clone(self, key: VolumeKey, disk: DiskId, size: int, source: DiskId) -> CreateOutcome:
        if _file(source) not in await self._run(self._files.names):
            return Refused(f"there is no disk {source} to copy")
        own = mark(key, uuid4().hex[:12])
        await self._run(partial(self._files.create, own, _MARK_BYTES, "raw"))
        files = await self._run(self._files.names)
        others = [each for each in marks_of(files, key) if each != own]
        if not others and _file(disk) in files:  # finished by another call between our look and our mark
            await self._remove(own)
            return await self._found(key, disk, size) or Refused("another call under this key was faster", _PAUSE)
        for left in others:
            if not await self._remove(left):
                await self._remove(own)
                return Refused("another call under this key was faster", _PAUSE)
        await self._discard(disk)  # remains of a call that was cut off: their mark is ours now
        before = await self._run(partial(self._files.written, _file(source)))
        try:
            copy = partial(self._files.copy, _file(source), _file(disk), size, self._extension)
            await self._run(copy, _MOST)
        except Fault as fault:
            return await self._refused(key, own, disk, str(fault))
        return await self._finish(key, own, disk, source, before)

    async def _finish(self, key: VolumeKey, own: str, disk: DiskId, source: DiskId, before: str) -> CreateOutcome:
        """Whole, and of one time? Another controller may have attached the source meanwhile."""
        changed = await self._run(partial(self._files.written, _file(source))) != before
        taken = _taken(await self._look(), source)
        if changed or taken is not None:
            return await self._refused(key, own, disk, f"{source} was in use while it was copied")
        ours = await self._remove(own)
        files = await self._run(self._files.names)
        if not ours or marks_of(files, key) or _file(disk) not in files:
            return Refused("another call under this key began anew meanwhile", _PAUSE)
        return Created(disk)

    async def _refused(self, key: VolumeKey, own: str, disk: DiskId, why: str) -> Refused:
        """The mark goes last: a half copy has one. Without ours it is another call's copy."""
        with suppress(CallError):
            if own in marks_of(await self._run(self._files.names), key):
                await self._discard(disk)
                await self._remove(own)
        return Refused(why, _PAUSE)

    async def _discard(self, disk: DiskId) -> None:
        if any(each.disk == disk for each in attachments(await self._look())):
            raise Fault(Kind.STATE, f"{disk} is attached, although its copy was never finished: look at it by hand")
        if await self._remove(_file(disk)):
            log.info("copy.removed", disk=disk, why="it was never finished")

    async def remove(self, disk: DiskId) -> None:
        """Done, too, when there is no such disk."""
        await self._remove(_file(disk))

    async def forget(self, key: VolumeKey) -> None:
        """After the disk: nobody will finish a copy of it."""
        for left in marks_of(await self._run(self._files.names), key):
            await self._remove(left)

    async def _remove(self, file: str) -> bool:
        """Whether it was there, and this call removed it."""
        try:
            await self._run(partial(self._files.delete, DiskId(file)))
        except Fault as fault:
            if fault.kind is not Kind.NO_VOLUME:
                raise
            return False
        return True


def _file(disk: DiskId) -> str:
    return disk.rsplit("/", 1)[-1]


def _taken(look: Look, source: DiskId) -> Refused | None:
    if (why := look.pool.refusal(source)) is not None:
        return Refused(why)
    holder = next((each.vm for each in attachments(look) if each.disk == source), None)
    return None if holder is None else Refused(f"{source} cannot be copied while it is attached to the VM {holder}")

"""
Making a disk as a copy of another one.

libvirt can copy a file of a pool, but not rename one, and a libvirtd that dies leaves a half file behind under the
final name. So beside a copy under way lies an empty file, its mark: made before the copy, removed after it, by a name
of the call's own. A file with a mark is not whole. Whoever finds one makes a mark first and then removes the other: of
two calls that want the same mark only one gets it, so a copy is either finished by its call or made anew, never both.
A file that has no mark but one's own was finished in between, and stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog

from controller.model import DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, Refused
from drivers.libvirt.client import PoolFiles
from drivers.libvirt.decide import Look, attachments, moved_away
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.files.placing import said_pool, unable
from drivers.libvirt.inventory import mark, marks_of
from drivers.libvirt.looking.pools import Pool, Pools
from drivers.libvirt.stores import CopyOf
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError
from drivers.shared.outcomes import Failure, failure, not_begun

log = structlog.get_logger()
T = TypeVar("T")
_PAUSE = 2.0  # seconds after which whoever needs a disk that is being copied looks again
_MOST = 7 * 86_400.0  # seconds for a copy: whoever waits has the deadline
_MARK_BYTES = 512


class Run(Protocol):
    """Runs a blocking call on the host that makes and deletes disks."""

    async def __call__(self, act: Callable[[], T], seconds: float | None = None) -> T: ...


@dataclass(frozen=True, slots=True)
class Job:
    """A copy to be made: a disk in ``at`` of a key and a size, from one that may lie in another pool."""

    key: VolumeKey
    size: int
    at: PoolFiles
    disk: DiskId
    source: DiskId


class Copier:
    """Everything here may raise `NotSent`, `Doubt` or `Fault`, but for ``clone``. ``files``: of each pool, by name."""

    def __init__(
        self, files: Mapping[str, PoolFiles], run: Run, look: Callable[[], Awaitable[Look]], extension: str
    ) -> None:
        self._files = files
        self._run = run
        self._look = look
        self._extension = extension
        self.sources = Sources(_PAUSE)

    async def clone(self, key: VolumeKey, size: int, source: DiskId, place: str | None) -> CreateOutcome:
        """In the pool of its source, if ``place`` says no other one."""
        try:
            look = await self._look()
            at = _target(look.pools, source, place)
            if not isinstance(at, Pool):
                return at
            job = Job(key, size, self._files[at.name], at.disk(key, self._extension), source)
            if (refusal := _taken(look, source)) is not None:
                found = await self._found(job)
                return found or refusal
        except CallError as error:
            return not_begun(error)
        origin = _target(look.pools, source, None)
        if not isinstance(origin, Pool):
            return origin
        with self.sources.copying(source):
            try:
                return await self._found(job) or await self._clone(job, self._files[origin.name])
            except Fault as fault:
                return Refused(str(fault), _PAUSE)
            except CallError as error:
                return failure(error)

    async def live(self, key: VolumeKey, size: int, source: DiskId, copy: CopyOf) -> CreateOutcome:
        """Of a disk that a VM has open: ``copy`` says how. In the pool of its source."""
        try:
            at = _target((await self._look()).pools, source, None)
        except CallError as error:
            return not_begun(error)
        if not isinstance(at, Pool):
            return at
        job = Job(key, size, self._files[at.name], at.disk(key, self._extension), source)
        try:
            return await self._found(job) or await self._live(job, copy)
        except Fault as fault:
            return Refused(str(fault), _PAUSE)
        except CallError as error:
            return failure(error)

    async def _live(self, job: Job, copy: CopyOf) -> CreateOutcome:
        own = await self._begun(job)
        if not isinstance(own, str):
            return own
        await self._run(partial(job.at.create, _file(job.disk), job.size, self._extension))
        try:
            why = await copy(job.disk)
        except Fault as fault:
            why = str(fault)
        return await self._whole(job, own) if why is None else await self._refused(job, own, why)

    async def _found(self, job: Job) -> CreateOutcome | None:
        """The disk, if there is a whole one."""
        files = await self._run(job.at.names)
        if _file(job.disk) not in files or marks_of(files, job.key):
            return None
        have = await self._run(partial(job.at.create, _file(job.disk), job.size, self._extension))
        if have != job.size:
            return Refused(f"{job.disk} exists with {have} bytes, not {job.size}: choose another name, or that size")
        return Created(job.disk)

    async def _clone(self, job: Job, origin: PoolFiles) -> CreateOutcome:
        if _file(job.source) not in await self._run(origin.names):
            return Refused(f"there is no disk {job.source} to copy")
        own = await self._begun(job)
        if not isinstance(own, str):
            return own
        before = await self._run(partial(origin.written, _file(job.source)))
        try:
            copy = partial(job.at.copy, origin.name, _file(job.source), _file(job.disk), job.size, self._extension)
            await self._run(copy, _MOST)
        except Fault as fault:
            return await self._refused(job, own, str(fault))
        changed = await self._run(partial(origin.written, _file(job.source))) != before
        return await self._finish(job, own, changed=changed)

    async def _begun(self, job: Job) -> str | CreateOutcome:
        """The mark of this call, when nothing is left under the final name."""
        own = mark(job.key, uuid4().hex[:12])
        await self._run(partial(job.at.create, own, _MARK_BYTES, "raw"))
        files = await self._run(job.at.names)
        others = [each for each in marks_of(files, job.key) if each != own]
        if not others and _file(job.disk) in files:  # finished by another call between our look and our mark
            await self._remove(job.at, own)
            return await self._found(job) or Refused("another call under this key was faster", _PAUSE)
        for left in others:
            if not await self._remove(job.at, left):
                await self._remove(job.at, own)
                return Refused("another call under this key was faster", _PAUSE)
        await self._discard(job)  # remains of a call that was cut off: their mark is ours now
        return own

    async def _finish(self, job: Job, own: str, *, changed: bool) -> CreateOutcome:
        """Whole, and of one time? Another controller may have attached the source meanwhile."""
        taken = _taken(await self._look(), job.source)
        if changed or taken is not None:
            return await self._refused(job, own, f"{job.source} was in use while it was copied")
        return await self._whole(job, own)

    async def _whole(self, job: Job, own: str) -> CreateOutcome:
        ours = await self._remove(job.at, own)
        files = await self._run(job.at.names)
        if not ours or marks_of(files, job.key) or _file(job.disk) not in files:
            return Refused("another call under this key began anew meanwhile", _PAUSE)
        return Created(job.disk)

    async def _refused(self, job: Job, own: str, why: str) -> Refused:
        """The mark goes last: a half copy has one. Without ours it is another call's copy."""
        with suppress(CallError):
            if own in marks_of(await self._run(job.at.names), job.key):
                await self._discard(job)
                await self._remove(job.at, own)
        return Refused(why, _PAUSE)

    async def _discard(self, job: Job) -> None:
        if any(each.disk == job.disk for each in attachments(await self._look())):
            raise Fault(Kind.STATE, f"{job.disk} is attached, although its copy was never finished: look at it by hand")
        if await self._remove(job.at, _file(job.disk)):
            log.info("copy.removed", disk=job.disk, why="it was never finished")

    async def remove(self, pool: str, disk: DiskId) -> None:
        """Done, too, when there is no such disk."""
        await self._remove(self._files[pool], _file(disk))

    async def forget(self, pool: str, key: VolumeKey) -> None:
        """After the disk: nobody will finish a copy of it."""
        for left in marks_of(await self._run(self._files[pool].names), key):
            await self._remove(self._files[pool], left)

    async def _remove(self, at: PoolFiles, file: str) -> bool:
        """Whether it was there, and this call removed it."""
        try:
            await self._run(partial(at.delete, DiskId(file)))
        except Fault as fault:
            if fault.kind is not Kind.NO_VOLUME:
                raise
            return False
        return True


def _file(disk: DiskId) -> str:
    return disk.rsplit("/", 1)[-1]


def _target(pools: Pools, source: DiskId, place: str | None) -> Pool | Failure:
    if place is not None:
        return unable(said_pool(pools, place))
    beside = pools.of(source)
    return Refused(pools.refusal(source) or "") if beside is None else unable(said_pool(pools, beside.name))


def _taken(look: Look, source: DiskId) -> Refused | None:
    if (why := look.pools.refusal(source) or moved_away(look, source)) is not None:
        return Refused(why)
    holder = next((each.vm for each in attachments(look) if each.disk == source), None)
    return None if holder is None else Refused(f"{source} cannot be copied while it is attached to the VM {holder}")

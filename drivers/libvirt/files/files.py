"""The disks of a pool of libvirt's: files in a folder that all hosts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from controller.model import DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, Done, InDoubt, Outcome, Refused
from drivers.libvirt.client import PoolFiles
from drivers.libvirt.decide import Look
from drivers.libvirt.files.copying import Copier, Run
from drivers.libvirt.inventory import key_of, keys_of
from drivers.libvirt.stores import Note
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure


class Files:
    """Nothing has to be made ready: QEMU's lock on the file is the guard."""

    def __init__(self, files: PoolFiles, run: Run, whole: Callable[[], Awaitable[Look]], extension: str) -> None:
        self._files = files
        self._run = run
        self._extension = extension
        self._copier = Copier(files, run, whole, extension)

    @property
    def sources(self) -> Sources:
        return self._copier.sources

    async def create(self, disk: DiskId, size: int) -> CreateOutcome:
        try:
            have = await self._run(partial(self._files.create, _name(disk), size, self._extension))
        except CallError as error:
            return failure(error)
        if have != size:
            why = f"{disk} exists with {have} bytes, not {size}"
            return Refused(why, cure="Give the volume another name, or that size.")
        return Created(disk)

    async def clone(self, key: VolumeKey, size: int, source: DiskId) -> CreateOutcome:
        return await self._copier.clone(key, size, source)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        return keys_of(await self._run(self._files.names), beginning)

    async def remove(self, disk: DiskId) -> None:
        await self._copier.remove(disk)
        await self._copier.forget(key_of(disk))

    async def grow(self, disk: DiskId, size: int) -> Outcome:
        name = _name(disk)
        if await self._run(partial(self._files.size, name)) < size:
            await self._run(partial(self._files.resize, name, size))
        have = await self._run(partial(self._files.size, name))
        return Done() if have >= size else InDoubt(f"the disk still has {have} bytes, not {size}")

    async def ready(self, disks: Sequence[DiskId]) -> Mapping[DiskId, str | Outcome]:
        return dict(zip(disks, disks, strict=True))

    async def note(self, disk: DiskId) -> None:
        """A lock on a file is kept by the kernel for as long as the file is open."""

    async def noted(self, disks: Sequence[DiskId]) -> Sequence[Note]:  # noqa: ARG002 - there are none
        return ()

    async def forget(self, disks: Sequence[DiskId], notes: Sequence[Note]) -> None:
        """There are none."""


def _name(disk: DiskId) -> str:
    return disk.rsplit("/", 1)[-1]

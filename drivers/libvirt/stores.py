"""Where the disks are: files of a pool that the hosts share, or images of Ceph's (`rbd.images`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from controller.model import DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, Done, InDoubt, Outcome, Refused
from drivers.libvirt.client import PoolFiles
from drivers.libvirt.copying import Copier, Run
from drivers.libvirt.decide import Look
from drivers.libvirt.inventory import key_of, keys_of
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure


class Store(Protocol):
    """Whether a VM has the disk is asked before; ``keys``, ``remove`` and ``grow`` raise CallError."""

    @property
    def sources(self) -> Sources: ...

    async def create(self, disk: DiskId, size: int) -> CreateOutcome: ...

    async def clone(self, key: VolumeKey, size: int, source: DiskId) -> CreateOutcome: ...

    async def keys(self, beginning: str) -> Sequence[VolumeKey]: ...

    async def remove(self, disk: DiskId) -> None:
        """Of a disk that no VM has, with what is left of copies to it."""
        ...

    async def grow(self, disk: DiskId, size: int) -> Outcome:
        """Of a disk that no VM has."""
        ...

    async def ready(self, disks: Sequence[DiskId]) -> Mapping[DiskId, str | Outcome]:
        """By which name QEMU is to open each of them, or why it must not."""
        ...


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


def _name(disk: DiskId) -> str:
    return disk.rsplit("/", 1)[-1]

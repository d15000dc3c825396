"""Where the disks are: files of a pool that the hosts share (`files`), or images of Ceph's (`rbd`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.model import DiskId, VolumeKey
from drivers.base import CreateOutcome, Outcome
from drivers.shared.copies import Sources


@dataclass(frozen=True, slots=True)
class Note:
    """Of the storage system's: this client has the disk of this key open."""

    key: VolumeKey
    address: str


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

    async def note(self, disk: DiskId) -> None:
        """Before a grant: who has the disk open is noted, where the storage system forgets it. Raises CallError."""
        ...

    async def noted(self, disks: Sequence[DiskId]) -> Sequence[Note]:
        """What was noted of them until now."""
        ...

    async def forget(self, disks: Sequence[DiskId], notes: Sequence[Note]) -> None:
        """After a detach that is done: of these, what concerns the disks."""
        ...

"""Where the disks are: files of pools that the hosts share (`files`), or images of Ceph's (`rbd`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.model import DiskId, VolumeKey
from drivers.base import CreateOutcome, Outcome, Room
from drivers.libvirt.looking.pools import Pools
from drivers.owners import Owners
from drivers.shared.copies import Sources


@dataclass(frozen=True, slots=True)
class Note:
    """Of the storage system's: this client has the disk of this key open."""

    key: VolumeKey
    address: str


@dataclass(frozen=True, slots=True)
class Disks:
    """``gap``: why there may be more, or ""."""

    each: tuple[DiskId, ...]
    gap: str = ""


CopyOf = Callable[[DiskId], Awaitable[str | None]]  # fills this file; why it is not whole, or None


class Store(Protocol):
    """Whether a VM has the disk is asked before; ``keys``, ``remove``, ``grow`` and ``rooms`` raise CallError."""

    @property
    def sources(self) -> Sources: ...

    async def create(self, key: VolumeKey, size: int, place: str | None) -> CreateOutcome:
        """``place``: the pool that the volume's options say."""
        ...

    async def clone(self, key: VolumeKey, size: int, source: DiskId, place: str | None) -> CreateOutcome: ...

    async def live(self, key: VolumeKey, size: int, source: DiskId, copy: CopyOf) -> CreateOutcome:
        """As `clone`, of a disk that a running VM has; ``copy`` fills the file."""
        ...

    async def keys(self, beginning: str) -> Sequence[VolumeKey]: ...

    async def owners(self, pools: Pools) -> Owners:
        """Which swarms noted themselves where the disks are. Raises CallError where nothing can be read."""
        ...

    async def mark(self, pools: Pools, swarm: str, *, there: bool) -> None:
        """Make this swarm's note, or take it away. Raises CallError."""
        ...

    async def disks(self, pools: Pools) -> Disks:
        """All, attached or not, so far as these pools can be searched now."""
        ...

    async def remove(self, pools: Pools, disk: DiskId) -> None:
        """Of a disk that no VM has, with what is left of copies to it."""
        ...

    async def grow(self, pools: Pools, disk: DiskId, size: int) -> Outcome:
        """Of a disk that no VM has."""
        ...

    async def rooms(self) -> Sequence[Room]:
        """None where the storage system does not tell this client."""
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

    async def close(self) -> None: ...

"""What the suite needs of a storage system: to make machines and press their buttons."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from reberth.driver import DiskId, HypervisorDriver, Power, PowerDriver, StorageDriver, VmId, VolumeKey


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What the system behind a driver cannot do.

    ``can_lose_host``: it has hosts whose loss can be played. ``tells_sizes``: it knows the size of a disk.
    """

    name: str
    can_lose_host: bool = True
    tells_sizes: bool = True


class Machines(Protocol):
    """Machines with a power button, made for one test. They are made switched on."""

    async def add_vm(self) -> VmId: ...

    async def switch(self, vm: VmId, power: Power) -> None: ...


class PowerRig(Machines, Protocol):
    @property
    def driver(self) -> PowerDriver: ...

    async def lose_host(self, vm: VmId) -> None:
        """Nobody can say any more whether the machine runs: its hypervisor's host, or its BMC, is away."""
        ...


class StorageRig(Machines, Protocol):
    """``driver`` and ``rival`` are two clients of the storage, as two controllers are."""

    @property
    def driver(self) -> StorageDriver: ...

    @property
    def rival(self) -> StorageDriver: ...

    async def write(self, vm: VmId, disk: DiskId) -> None:
        """The VM has the disk open (mounted) from now on."""
        ...

    async def go_away(self) -> None:
        """Nothing of the storage system answers any more."""
        ...


class MovingRig(StorageRig, Protocol):
    """For a driver whose disks an administrator can move while a VM has them."""

    async def move_disk(self, vm: VmId, disk: DiskId) -> None:
        """As administrators do, past the driver. What is left under the old name, if that is so there, stays."""
        ...

    async def move_back(self, vm: VmId, disk: DiskId) -> None:
        """By what the driver says is the cure."""
        ...


class LocatedRig(StorageRig, Protocol):
    """For a driver that is `Located`."""

    async def address(self, vm: VmId) -> str:
        """An address that the guest in this running machine has, and that the hypervisor knows from now on."""
        ...


class BoundedRig(StorageRig, Protocol):
    """For a driver whose settings can name the machines that may be touched."""

    @property
    def driver(self) -> HypervisorDriver: ...

    async def only(self, *vms: VmId) -> HypervisorDriver:
        """One more client, which may touch these alone."""
        ...


class CloneRig(StorageRig, Protocol):
    """For a driver with the capability ``clones``."""

    async def put(self, disk: DiskId, text: bytes) -> None:
        """The disk, attached nowhere, begins with this text from now on."""
        ...

    async def got(self, disk: DiskId, length: int) -> bytes:
        """With what the disk, attached nowhere, begins."""
        ...

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        """What is there when whoever copied this disk to that key died in the middle of it."""
        ...

    async def remains(self) -> Sequence[str]:
        """Whatever lies where the disks are and is none."""
        ...


class SnapshotRig(CloneRig, Protocol):
    """For a driver with the capability ``snapshots``."""

    def slow_copies(self) -> AbstractAsyncContextManager[None]:
        """What is copied meanwhile takes its time."""
        ...

    async def copying(self, disk: DiskId) -> None:
        """Returns when this disk is being copied."""
        ...


class HypervisorRig(StorageRig, PowerRig, Protocol):
    """For a driver of both: one system that has the disks and runs the machines."""

    @property
    def driver(self) -> HypervisorDriver: ...

    async def suspend(self, vm: VmId) -> None:
        """Its memory is kept: it goes on where it was."""
        ...

    async def resume(self, vm: VmId) -> None: ...

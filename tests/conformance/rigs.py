"""What the conformance suite needs of a storage system: to make VMs and press their buttons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from controller.model import DiskId, Power, Spec, VmId, VolumeKey
from drivers.base import StorageDriver
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.conformance.lab_rig import LabRig
from tests.conformance.libvirt_rig import LibvirtRig
from tests.conformance.vsphere_rig import VsphereFaultsRig, VsphereRig


class Rig(Protocol):
    """
    One storage system with its VMs, made for one test and removed after it.

    ``driver`` and ``rival`` are two clients of it, as two controllers are. VMs are made switched on.
    """

    driver: StorageDriver
    rival: StorageDriver

    async def add_vm(self) -> VmId: ...

    async def switch(self, vm: VmId, power: Power) -> None: ...

    async def write(self, vm: VmId, disk: DiskId) -> None:
        """The VM has the disk open (mounted) from now on."""
        ...

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

    async def lose_host(self, vm: VmId) -> None:
        """The VM's host is not connected any more: nobody can say whether the VM runs."""
        ...

    async def go_away(self) -> None:
        """Nothing of the storage system answers any more."""
        ...


@dataclass(frozen=True, slots=True)
class RigKind:
    """
    One row of the suite.

    ``can_lose_host``: the system has hosts whose loss can be played. ``tells_sizes``: it knows the size of a disk.
    """

    name: str
    make: Callable[[], AbstractAsyncContextManager[Rig]]
    can_lose_host: bool = True
    tells_sizes: bool = True


class MemoryRig:
    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.driver: StorageDriver = MemoryDriver(self.storage)
        self.rival: StorageDriver = MemoryDriver(self.storage)

    async def __aenter__(self) -> Rig:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
        await self.rival.close()

    async def add_vm(self) -> VmId:
        vm = VmId(f"00000000-0000-4000-8000-{len(self.storage.vms):012d}")
        self.storage.add_vm(vm)
        return vm

    async def switch(self, vm: VmId, power: Power) -> None:
        self.storage.switch(vm, power)

    async def write(self, vm: VmId, disk: DiskId) -> None:
        self.storage.write(vm, disk)

    async def put(self, disk: DiskId, text: bytes) -> None:
        self.storage.contents[disk] = text

    async def got(self, disk: DiskId, length: int) -> bytes:
        return self.storage.contents[disk][:length]

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        self.storage.copy_seconds = 60.0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self.rival.clone(key, Spec(self.storage.disks[source]), source)
        self.storage.copy_seconds = 0.0

    async def remains(self) -> Sequence[str]:
        return [disk for disk, copies in self.storage.copying.items() if copies]

    async def lose_host(self, vm: VmId) -> None:
        self.storage.vms[vm].connected = False

    async def go_away(self) -> None:
        self.storage.away = True


RIGS = [
    RigKind("memory", MemoryRig),
    RigKind("lab", LabRig, can_lose_host=False),
    RigKind("libvirt", LibvirtRig),
    RigKind("vsphere", VsphereRig, can_lose_host=False, tells_sizes=False),
    RigKind("vsphere-faults", VsphereFaultsRig),
]
"""Every driver joins here. A driver of another package calls the suite with its own list."""

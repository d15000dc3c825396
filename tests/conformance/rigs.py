"""Each storage driver of this package, with a storage system for one test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, Self

from controller.model import DiskId, Power, Spec, VmId, VolumeKey
from drivers.base import HypervisorDriver
from drivers.guests import GuestAddresses
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from reberth.testing import CloneRig, HypervisorRig, Kind
from tests.conformance.lab_rig import LabRig
from tests.conformance.libvirt_rig import LibvirtRig
from tests.conformance.vsphere_rig import VsphereFaultsRig, VsphereRig


class Rig(CloneRig, HypervisorRig, Protocol):
    """One storage system with its VMs, made for one test and removed after it."""


@dataclass(frozen=True, slots=True)
class RigKind:
    """One row of the suite."""

    kind: Kind
    make: Callable[[], AbstractAsyncContextManager[Rig]]


class MemoryRig:
    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.driver: HypervisorDriver = MemoryDriver(self.storage)
        self.rival: HypervisorDriver = MemoryDriver(self.storage)

    async def __aenter__(self) -> Self:
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

    async def suspend(self, vm: VmId) -> None:
        self.storage.suspend(vm)

    async def resume(self, vm: VmId) -> None:
        self.storage.resume(vm)

    async def write(self, vm: VmId, disk: DiskId) -> None:
        self.storage.write(vm, disk)

    async def put(self, disk: DiskId, text: bytes) -> None:
        self.storage.contents[disk] = text

    async def got(self, disk: DiskId, length: int) -> bytes:
        return self.storage.contents[disk][:length]

    async def address(self, vm: VmId) -> str:
        address = f"10.0.7.{len(self.storage.vms)}"
        self.storage.vms[vm].addresses = GuestAddresses((address,), whole=True)
        return address

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        self.storage.copy_seconds = 60.0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self.rival.clone(key, Spec(self.storage.disks[source]), source)
        self.storage.copy_seconds = 0.0

    async def remains(self) -> Sequence[str]:
        return [disk for disk, copies in self.storage.copying.items() if copies]

    @asynccontextmanager
    async def slow_copies(self) -> AsyncIterator[None]:
        self.storage.copy_seconds = 0.3
        yield
        self.storage.copy_seconds = 0.0

    async def copying(self, disk: DiskId) -> None:
        await asyncio.sleep(0.1)

    async def move_disk(self, vm: VmId, disk: DiskId) -> None:
        self.storage.odd[disk] = f"somebody has moved disk {disk} of VM {vm}: move it back"

    async def move_back(self, vm: VmId, disk: DiskId) -> None:
        del self.storage.odd[disk]

    async def lose_host(self, vm: VmId) -> None:
        self.storage.vms[vm].connected = False

    async def go_away(self) -> None:
        self.storage.away = True


RIGS = [
    RigKind(Kind("memory"), MemoryRig),
    RigKind(Kind("lab", can_lose_host=False), LabRig),
    RigKind(Kind("libvirt"), LibvirtRig),
    RigKind(Kind("vsphere", can_lose_host=False, tells_sizes=False), VsphereRig),
    RigKind(Kind("vsphere-faults"), VsphereFaultsRig),
]
"""Every driver of this package joins here. One of another package inherits the suite: docs/drivers.md."""

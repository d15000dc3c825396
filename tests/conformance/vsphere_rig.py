"""The conformance suite's rig on the vSphere simulator: the library as it is, and with our fault layer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from controller.model import DiskId, Power, VmId, VolumeKey
from drivers.base import HypervisorDriver
from drivers.vsphere import create
from tests.vcsim.admin import Admin
from tests.vcsim.server import FAULTS, STOCK, Spec, Started

ELSEWHERE = "[LocalDS_0] DC0_C0_RP0_VM0/DC0_C0_RP0_VM0_1.vmdk"


class VsphereRig:
    driver: HypervisorDriver
    rival: HypervisorDriver

    def __init__(self, spec: Spec = STOCK, **settings: object) -> None:
        self._started = Started(spec)
        self._settings = settings

    async def __aenter__(self) -> Self:
        self.simulator = await asyncio.to_thread(self._started.__enter__)
        self.admin = await asyncio.to_thread(Admin, self.simulator)
        await asyncio.to_thread(self.admin.show_uuids)
        self._bounded = AsyncExitStack()
        self._unused: Iterator[VmId] = iter([self.admin.uuid(index) for index in range(len(self.admin.vms))])
        settings = self.simulator.settings(**self._settings)
        self.driver, self.rival = create(settings), create(settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._bounded.aclose()
        await self.driver.close()
        await self.rival.close()
        self.admin.close()
        await asyncio.to_thread(self._started.__exit__, None, None, None)

    async def add_vm(self) -> VmId:
        return next(self._unused)

    async def only(self, *vms: VmId) -> HypervisorDriver:
        bounded = create(self.simulator.settings(**self._settings, vms=list(vms)))
        self._bounded.push_async_callback(bounded.close)
        return bounded

    async def address(self, vm: VmId) -> str:
        """As VMware Tools tell it."""
        address = f"10.0.7.{vm.encode()[0]}"
        told = {"SET_guest_ipAddress": address, "SET_guest_toolsRunningStatus": "guestToolsRunning"}
        await asyncio.to_thread(lambda: self.admin.set_extra(self.admin.vm(vm), **told))
        return address

    async def switch(self, vm: VmId, power: Power) -> None:
        assert await asyncio.to_thread(self.admin.switch, vm, power) is None

    async def suspend(self, vm: VmId) -> None:
        assert await asyncio.to_thread(lambda: self.admin.wait(self.admin.vm(vm).Suspend())) is None

    async def resume(self, vm: VmId) -> None:
        await self.switch(vm, Power.ON)

    async def write(self, vm: VmId, disk: DiskId) -> None:
        """Nobody writes in a simulator; that the VM is on is all that it knows."""

    async def put(self, disk: DiskId, text: bytes) -> None:
        self._data(disk).write_bytes(text)

    async def got(self, disk: DiskId, length: int) -> bytes:
        return self._data(disk).read_bytes()[:length]

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        """Under a name as the driver chooses it."""
        for file in (self._data(source), self._data(source).with_name(source.rsplit("/", 1)[-1])):
            half = file.name.replace(file.name.removesuffix(".vmdk").removesuffix("-flat"), f"_copy.0123456789ab.{key}")
            file.with_name(half).write_bytes(b"")

    async def remains(self) -> Sequence[str]:
        return [file.name for file in self.simulator.folder.rglob("_copy*")]

    def _data(self, disk: DiskId) -> Path:
        """The file with the disk's data: in the simulator's datastore it is a plain one."""
        (found,) = self.simulator.folder.rglob(disk.rsplit("/", 1)[-1].replace(".vmdk", "-flat.vmdk"))
        return found

    async def lose_host(self, vm: VmId) -> None:
        raise NotImplementedError("the library's hosts are always connected")

    async def go_away(self) -> None:
        await asyncio.to_thread(self.simulator.stop)


class VsphereFaultsRig(VsphereRig):
    def __init__(self, spec: Spec = FAULTS, **settings: object) -> None:
        super().__init__(spec, **settings)

    async def fault(self, fault: str, /, **form: str) -> str:
        return await asyncio.to_thread(lambda: self.simulator.fault(fault, **form))

    async def lose_host(self, vm: VmId) -> None:
        host = await asyncio.to_thread(self.admin.host, vm)
        await self.fault("host", name=host, state="notResponding")

    async def move_disk(self, vm: VmId, disk: DiskId) -> None:
        """As Storage vMotion does: the file has another name on another datastore."""
        await self.fault("move", vm=self.admin.name(vm), file=disk, to=ELSEWHERE)

    async def move_back(self, vm: VmId, disk: DiskId) -> None:
        await self.fault("move", vm=self.admin.name(vm), file=ELSEWHERE, to=disk)

    async def move_apart(self, vm: VmId, other: VmId) -> None:
        """The two do not share a host from now on."""
        if self.admin.host(vm) == self.admin.host(other):
            host = next(each for each in self.admin.hosts() if each != self.admin.host(vm))
            await self.fault("restart", vm=self.admin.name(other), on=host)

"""The conformance suite's rig on real libvirt and QEMU: two hosts with one shared folder."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

from controller.model import DiskId, Power, VmId, VolumeKey
from drivers.base import HypervisorDriver
from drivers.libvirt import create
from drivers.libvirt.client import library
from drivers.libvirt.devices import wwn
from tests.libvirtd.guest import boot
from tests.libvirtd.hypervisor import until
from tests.libvirtd.site import shared_site

COPIED = ("--format", "qcow2", "--wait", "--pivot", "--transient-job")


class LibvirtRig:
    driver: HypervisorDriver
    rival: HypervisorDriver

    async def __aenter__(self) -> Self:
        self.site = await asyncio.to_thread(shared_site)
        await asyncio.to_thread(self.site.reset)
        self.first, self.second = self.site.hosts
        self.open(self.site.settings(look_timeout=20.0))  # the machine may be busy
        return self

    def open(self, settings: Mapping[str, object]) -> None:
        self._settings, self._bounded = settings, AsyncExitStack()
        self.driver, self.rival = create(settings), create(settings)

    async def __aexit__(self, *_: object) -> None:
        await self._bounded.aclose()
        await self.driver.close()
        await self.rival.close()
        await asyncio.to_thread(self.site.reset)

    async def add_vm(self) -> VmId:
        vm = await asyncio.to_thread(self.first.define)
        await asyncio.to_thread(self.first.start, vm)
        return vm

    async def only(self, *vms: VmId) -> HypervisorDriver:
        bounded = create({**self._settings, "vms": list(vms)})
        self._bounded.push_async_callback(bounded.close)
        return bounded

    async def address(self, vm: VmId) -> str:
        """As a DHCP server of libvirt's has given it: no agent is in these guests."""
        return await asyncio.to_thread(self.first.lease, vm)

    async def switch(self, vm: VmId, power: Power) -> None:
        act = self.first.start if power is Power.ON else self.first.stop
        await asyncio.to_thread(act, vm)

    async def suspend(self, vm: VmId) -> None:
        await asyncio.to_thread(lambda: self.first.domain(vm).managedSave(0))

    async def resume(self, vm: VmId) -> None:
        await asyncio.to_thread(self.first.start, vm)

    async def write(self, vm: VmId, disk: DiskId) -> None:
        """Started again with a kernel, from its persistent configuration, in which the disk is."""
        await asyncio.to_thread(self._write, vm, disk)

    def _write(self, vm: VmId, disk: DiskId) -> None:
        host = self.first
        host.stop(vm)
        xml = host.domain(vm).XMLDesc(2)
        made = boot(self.site.folder)
        kernel = f"<kernel>{made.kernel}</kernel><initrd>{made.initrd}</initrd><cmdline>console=ttyS0</cmdline></os>"
        xml = xml.replace("</os>", kernel).replace(">32768<", ">196608<")
        host.connection.defineXML(xml)
        host.start(vm)
        until(lambda: f"naa.{wwn(disk)}" in host.console(vm), "the guest writes", 120)

    async def put(self, disk: DiskId, text: bytes) -> None:
        await self._put("qcow2", disk, text)

    async def _put(self, form: str, disk: str, text: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            await self._run("qemu-io", "-f", form, "-c", f"write -s {file.name} 0 {len(text)}", disk)

    async def got(self, disk: DiskId, length: int) -> bytes:
        return await self._got("qcow2", disk, length)

    async def _got(self, form: str, disk: str, length: int) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder, "raw")
            await self._run("qemu-img", "convert", "-f", form, "-O", "raw", disk, str(raw))
            return (await asyncio.to_thread(raw.read_bytes))[:length]

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        """As a libvirtd that was killed leaves it: it has no way to tell the file from a whole one."""
        half = self.site.pool / f"reberth-{key}.qcow2"
        await asyncio.to_thread(shutil.copyfile, source, half)
        (self.site.pool / f"_copy.{key}.0123.raw").write_bytes(bytes(512))

    async def remains(self) -> Sequence[str]:
        return [file.name for file in self.site.pool.iterdir() if not file.name.startswith("reberth-")]

    @asynccontextmanager
    async def slow_copies(self) -> AsyncIterator[None]:
        """See `copying`: QEMU is told how fast a copy may be when it is under way."""
        yield

    async def copying(self, disk: DiskId) -> None:
        """Some MiB that are not empty, so that there is something to copy; one that is over is not waited for."""
        ends = time.monotonic() + 3.0
        while time.monotonic() < ends:
            if await asyncio.to_thread(self._slowed):
                return
            await asyncio.sleep(0.01)

    def _slowed(self) -> bool:
        for domain in self.first.connection.listAllDomains(1):
            with suppress(library().libvirtError):
                job = ET.fromstring(domain.backupGetXMLDesc(0))  # noqa: S314 - our own
                for each in job.iterfind("disks/disk[@backup='yes']"):
                    domain.blockJobSetSpeed(each.get("name"), 1)
                return True
        return False

    async def move_disk(self, vm: VmId, disk: DiskId) -> None:
        elsewhere = self.site.folder / "moved.qcow2"
        elsewhere.unlink(missing_ok=True)
        await self._run(*self.virsh("blockcopy", vm, self._target(vm, disk), str(elsewhere), *COPIED))

    async def move_back(self, vm: VmId, disk: DiskId) -> None:
        """As the driver says it."""
        odd = (await self.driver.list_attachments()).odd[disk]
        command = odd.partition("`virsh ")[2].partition("`")[0]
        await self._run(*self.virsh(*command.split()))

    def virsh(self, *words: str) -> list[str]:
        return ["virsh", "--connect", self.first.uri, *words]

    def _target(self, vm: VmId, disk: DiskId) -> str:
        devices = ET.fromstring(self.first.domain(vm).XMLDesc(0)).iterfind("devices/disk")  # noqa: S314 - our own
        files = {(each.find("source"), each.find("target")) for each in devices}
        return next(at.get("dev", "") for of, at in files if None not in (of, at) and of.get("file") == disk)  # type: ignore[union-attr]

    async def _run(self, *argv: str) -> None:
        await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)

    async def lose_host(self, vm: VmId) -> None:
        await asyncio.to_thread(self.first.stop_daemon)

    async def go_away(self) -> None:
        for host in self.site.hosts:
            await asyncio.to_thread(host.stop_daemon)

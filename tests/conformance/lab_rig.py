"""The conformance suite's rig on a real lab: three machines with a dockerd each, loop devices, real mounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

from controller.model import DiskId, Power, VmId, VolumeKey
from deploy.lab.kernel import processes
from deploy.lab.lab import Lab
from deploy.lab.names import LabError, Layout
from drivers.base import HypervisorDriver
from drivers.lab import create
from tests.support.labs import shared_lab


class LabRig:
    driver: HypervisorDriver
    rival: HypervisorDriver

    async def __aenter__(self) -> LabRig:
        self._lab = await asyncio.to_thread(shared_lab)
        await asyncio.to_thread(reset, self._lab)
        self._unused: Iterator[str] = iter([node.vm for node in self._lab.nodes])
        settings = {"url": self._lab.host.url, "token_file": str(self._lab.host.token_file), "snapshots": True}
        self.driver, self.rival = create(settings), create(settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
        await self.rival.close()
        await asyncio.to_thread(self._lab.host.start)

    async def add_vm(self) -> VmId:
        return VmId(next(self._unused))

    def _name(self, vm: VmId) -> str:
        return next(node.name for node in self._lab.nodes if node.vm == vm)

    async def switch(self, vm: VmId, power: Power) -> None:
        act = self._lab.power_on if power is Power.ON else self._lab.power_off
        await asyncio.to_thread(act, self._name(vm))

    async def suspend(self, vm: VmId) -> None:
        await asyncio.to_thread(self._lab.freeze, self._name(vm))

    async def resume(self, vm: VmId) -> None:
        await asyncio.to_thread(self._lab.thaw, self._name(vm))

    async def write(self, vm: VmId, disk: DiskId) -> None:
        device = f"/dev/disk/by-id/reberth-lab-{disk}"
        script = f"mkfs.ext4 -q {device} && mkdir -p /run/data && mount {device} /run/data && date > /run/data/date"
        done = await asyncio.to_thread(self._lab.exec, self._name(vm), ["sh", "-c", script])
        assert done.returncode == 0, done.stderr

    async def put(self, disk: DiskId, text: bytes) -> None:
        with self._image(disk).open("r+b") as image:
            image.write(text)

    async def got(self, disk: DiskId, length: int) -> bytes:
        return self._image(disk).read_bytes()[:length]

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        """The machine host is killed: there is no other way to cut it off."""
        (self._pool / f"{key}.0123.unfinished").write_bytes(bytes(4096))
        await asyncio.to_thread(kill_host, self._lab)
        await asyncio.to_thread(self._lab.host.start)

    @asynccontextmanager
    async def slow_copies(self) -> AsyncIterator[None]:
        """They are made at one instant."""
        yield

    async def copying(self, disk: DiskId) -> None:
        await asyncio.sleep(0.05)

    async def remains(self) -> Sequence[str]:
        return [file.name for file in self._pool.iterdir() if file.suffix != ".img"]

    @property
    def _pool(self) -> Path:
        return Layout(self._lab.spec.name).pool

    def _image(self, disk: DiskId) -> Path:
        return self._pool / f"{disk}.img"

    async def address(self, vm: VmId) -> str:
        return next(node.address for node in self._lab.nodes if node.vm == vm)

    async def lose_host(self, vm: VmId) -> None:
        raise NotImplementedError("the lab has one host only")

    async def go_away(self) -> None:
        await asyncio.to_thread(kill_host, self._lab)


def kill_host(lab: Lab) -> None:
    """kill -9; returns when it is gone."""
    for pid in lab.host.pids():
        processes.kill(pid)
        assert processes.wait_gone(pid, 10)


def reset(lab: Lab) -> None:
    """All machines on, no disks, no stamps."""
    lab.host.start()
    for held in cast("list[dict[str, str]]", lab.host.call("GET", "/v1/attachments")):
        free(lab, held["vm"], held["disk"])
    for disk in cast("list[dict[str, str]]", lab.host.call("GET", "/v1/disks")):
        lab.host.call("DELETE", f"/v1/disks/{disk['id']}")
    for node in lab.nodes:
        (Layout(lab.spec.name).machines / node.vm / "epoch").unlink(missing_ok=True)
        if lab.power(node.name) == "frozen":
            lab.thaw(node.name)
        lab.power_on(node.name)
        with suppress(LabError):
            lab.heal(node.name)


def free(lab: Lab, vm: str, disk: str) -> None:
    """Detach; a machine that has the disk in use is switched off for it."""
    body = {"disks": [disk], "epoch": 1_000_000}
    if lab.host.call("POST", f"/v1/vms/{vm}/detach", body)[0]["outcome"] == "refused":
        lab.host.call("POST", f"/v1/vms/{vm}/power-off", {})
        lab.host.call("POST", f"/v1/vms/{vm}/detach", body)

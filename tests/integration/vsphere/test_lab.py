"""
A lab with the vSphere simulator (our fault layer) as its truth: real machines, real file systems, a real vSphere API.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import pytest

from controller.model import DiskId, Epoch, Power, Spec, VmId, VolumeKey
from deploy.lab.lab import Lab
from drivers.base import Created, Done, HypervisorDriver, Refused
from drivers.vsphere import create
from tests.conformance.lab_rig import reset
from tests.support.labs import sh, shared_lab
from tests.vcsim.bridge import Bridge, waited
from tests.vcsim.server import Spec as Simulated
from tests.vcsim.server import Started

ONE, TWO = Epoch(1), Epoch(2)


@dataclass
class Bridged:
    lab: Lab
    driver: HypervisorDriver
    bridge: Bridge

    def vm(self, node: str) -> VmId:
        return VmId(self.lab.node(node).vm)

    async def device(self, disk: DiskId, node: str) -> str:
        """The disk's device in the node, by the name that the driver tells; not one that is about to go."""
        assert await asyncio.to_thread(self.bridge.caught_up)
        path = f"/dev/disk/by-id/{(await self.driver.device(disk, self.vm(node))).by_id[0]}"
        shown = lambda: self.lab.exec(node, ["test", "-b", path]).returncode == 0  # noqa: E731
        assert await asyncio.to_thread(waited, shown), f"{path} does not appear in {node}"
        return path

    async def has_power(self, node: str, power: Power) -> bool:
        async with asyncio.timeout(30):
            while (await self.driver.power([self.vm(node)]))[self.vm(node)] is not power:  # noqa: ASYNC110 - the lab cannot wake us
                await asyncio.sleep(0.1)
        return True


@pytest.fixture
async def site() -> AsyncIterator[Bridged]:
    lab = await asyncio.to_thread(shared_lab)
    await asyncio.to_thread(reset, lab)
    with Started(
        Simulated(faults=True, hosts=len(lab.nodes), vms=len(lab.nodes), address=lab.spec.gateway)
    ) as simulator:
        bridge = Bridge(lab, simulator)
        await asyncio.to_thread(bridge.start)
        driver = create(simulator.settings())
        try:
            yield Bridged(lab, driver, bridge)
        finally:
            await driver.close()
            await asyncio.to_thread(bridge.stop)
            await asyncio.to_thread(reset, lab)


async def test_a_file_written_on_a_machine_that_lost_its_power_is_read_on_the_next(site: Bridged) -> None:
    created = await site.driver.create(VolumeKey("data"), Spec(64 * 2**20))
    assert isinstance(created, Created)
    disk, old, new = created.disk, site.vm("swarm01"), site.vm("swarm02")

    assert await site.driver.attach([disk], old, ONE) == [Done()]
    device = await site.device(disk, "swarm01")
    write = f"mkfs.ext4 -q {device}; mkdir -p /run/v; mount {device} /run/v; echo kept > /run/v/file; sync"
    await asyncio.to_thread(sh, site.lab, "swarm01", write)
    await asyncio.to_thread(site.lab.power_off, "swarm01")

    assert await site.has_power("swarm01", Power.OFF)
    assert isinstance((await site.driver.attach([disk], new, TWO))[0], Refused)
    assert await site.driver.detach([disk], old, TWO) == [Done()]
    assert await site.driver.attach([disk], new, TWO) == [Done()]
    device = await site.device(disk, "swarm02")
    read = f"mkdir -p /run/v; mount {device} /run/v; cat /run/v/file; umount /run/v"
    assert await asyncio.to_thread(sh, site.lab, "swarm02", read) == "kept\n"

    await asyncio.to_thread(site.lab.power_on, "swarm01")
    assert await site.has_power("swarm01", Power.ON)
    assert [(each.disk, each.vm) for each in (await site.driver.list_attachments()).attachments] == [(disk, new)]


@pytest.mark.parametrize("pause", [nullcontext(), None], ids=["the lab follows", "the lab sees it when it is over"])
async def test_a_copy_has_the_files_of_its_source_and_is_mounted_beside_it(
    site: Bridged, pause: AbstractContextManager[None] | None
) -> None:
    created = await site.driver.create(VolumeKey("data"), Spec(64 * 2**20))
    assert isinstance(created, Created)
    disk, vm = created.disk, site.vm("swarm01")
    assert await site.driver.attach([disk], vm, ONE) == [Done()]
    device = await site.device(disk, "swarm01")
    write = f"mkfs.ext4 -q {device}; mkdir -p /run/v; mount {device} /run/v; echo kept > /run/v/file; umount /run/v"
    await asyncio.to_thread(sh, site.lab, "swarm01", write)
    with pause or site.bridge.pause:
        assert await site.driver.detach([disk], vm, ONE) == [Done()]
        copied = await site.driver.clone(VolumeKey("copy"), Spec(64 * 2**20), disk)
        assert isinstance(copied, Created), copied
        assert await site.driver.attach([disk, copied.disk], vm, ONE) == [Done(), Done()]
    devices = await site.device(disk, "swarm01"), await site.device(copied.disk, "swarm01")
    read = f"mkdir -p /run/v /run/w; mount {devices[0]} /run/v; mount {devices[1]} /run/w; cat /run/v/file /run/w/file"
    assert await asyncio.to_thread(sh, site.lab, "swarm01", read) == "kept\nkept\n"
    await asyncio.to_thread(sh, site.lab, "swarm01", "umount /run/v /run/w")


async def test_a_power_off_by_the_driver_takes_every_process_of_the_machine(site: Bridged) -> None:
    assert await site.driver.power_off(site.vm("swarm03")) is Power.OFF
    off = lambda: site.lab.power("swarm03") == "off"  # noqa: E731
    assert await asyncio.to_thread(waited, off)

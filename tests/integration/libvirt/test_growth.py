"""A disk that becomes larger, on real libvirt and QEMU."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest

from controller.model import DiskId, Epoch
from drivers.base import Done, Refused, Unreachable
from drivers.libvirt.driver import LibvirtDriver
from tests.libvirtd.driver import new_disk, running, settings
from tests.libvirtd.site import Site

ONE = Epoch(1)
LARGER = 3 * 2**20 + 1  # bytes; disks have whole sectors
SECTORS = 3 * 2**20 + 512
DEVICE = "sda"  # of the first disk of ours on a VM


def bytes_of(disk: DiskId) -> int:
    """As qemu-img reads the file, beside a VM that has it open."""
    done = subprocess.run(["qemu-img", "info", "-U", "--output=json", disk], capture_output=True, check=True)
    return int(json.loads(done.stdout)["virtual-size"])


@pytest.mark.parametrize("image", ["qcow2", "raw"])
async def test_a_disk_grows_under_a_vm_that_runs_under_one_that_is_off_and_on_its_own(site: Site, image: str) -> None:
    ours = LibvirtDriver(settings(site, format=image))
    first, second = site.hosts
    ran, off, free = [await new_disk(ours, name) for name in ("ran", "off", "free")]
    vm, dead = running(second), running(first)
    assert await ours.attach([ran], vm, ONE) == [Done()]
    assert await ours.attach([off], dead, ONE) == [Done()]
    await asyncio.to_thread(first.stop, dead)

    for disk in (ran, off, free):
        assert await ours.grow(disk, LARGER) == Done()
        assert bytes_of(disk) == SECTORS
        assert await ours.grow(disk, 2**20) == Done()
        assert bytes_of(disk) == SECTORS
    assert second.domain(vm).blockInfo(DEVICE, 0)[0] == SECTORS
    await ours.close()


async def test_a_disk_that_a_saved_vm_will_have_again_does_not_grow(site: Site, ours: LibvirtDriver) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    assert await ours.attach([disk], vm, ONE) == [Done()]
    await asyncio.to_thread(lambda: site.hosts[0].domain(vm).managedSave(0))

    refused = await ours.grow(disk, LARGER)

    assert isinstance(refused, Refused)
    assert "saved" in refused.why
    assert bytes_of(disk) == 2**20


async def test_a_disk_that_nobody_is_seen_to_have_does_not_grow_while_a_host_is_lost(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    held = await new_disk(ours, "held")
    assert await ours.attach([held], vm, ONE) == [Done()]
    await asyncio.to_thread(site.hosts[1].stop_daemon)

    assert isinstance(await ours.grow(disk, LARGER), Unreachable)
    assert await ours.grow(held, LARGER) == Done()
    assert (bytes_of(disk), bytes_of(held)) == (2**20, SECTORS)

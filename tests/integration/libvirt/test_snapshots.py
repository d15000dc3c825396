"""Snapshots of disks that a VM writes to, on real libvirt and QEMU."""

from __future__ import annotations

import asyncio
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from controller.model import DiskId, Epoch, Spec, VmId, VolumeKey
from drivers.base import Created, Done, Refused
from drivers.libvirt.client import library
from drivers.libvirt.driver import LibvirtDriver
from tests.libvirtd.driver import new_disk, running, settings
from tests.libvirtd.hypervisor import Hypervisor
from tests.libvirtd.site import Site

ONE, TWO = Epoch(1), Epoch(2)
MIB = 2**20
FULL, SIZE = 512 * MIB, 520 * MIB
KEY = VolumeKey("snap-data-1")


async def full_disk(ours: LibvirtDriver, name: str = "data") -> DiskId:
    """With so much that is not empty that it is still being copied when QEMU is told to do it slowly."""
    created = await ours.create(VolumeKey(name), Spec(SIZE))
    assert isinstance(created, Created), created
    await shell("qemu-io", "-f", Path(created.disk).suffix[1:], "-c", f"write -P 1 0 {FULL}", created.disk)
    return created.disk


async def shell(*argv: str) -> None:
    await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)


async def write(host: Hypervisor, vm: VmId, at: int, pattern: int) -> None:
    """As the guest does it: by the device that it has. QEMU says nothing to it: what the disk has is looked at."""
    alias = next(
        each.get("name", "")
        for each in ET.fromstring(host.domain(vm).XMLDesc(0)).iterfind("devices/disk/alias")  # noqa: S314 - our own
        if each.get("name", "").startswith("ua-reberth")
    )
    command = f'qemu-io -d {alias} "write -P {pattern} {at} {MIB}"'
    await shell("virsh", "--connect", host.uri, "qemu-monitor-command", vm, "--hmp", command)


async def slowed(host: Hypervisor, vm: VmId) -> None:
    """The job is there, and copies 1 MiB a second from now on."""
    assert await asyncio.to_thread(_slowed, host, vm), "no copy was begun, or it was over at once"


def _slowed(host: Hypervisor, vm: VmId) -> bool:
    """In a thread: whoever begins the job must not be kept from it."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with suppress(library().libvirtError):
            job = ET.fromstring(host.domain(vm).backupGetXMLDesc(0))  # noqa: S314 - our own
            for each in job.iterfind("disks/disk[@backup='yes']"):
                host.domain(vm).blockJobSetSpeed(each.get("name"), MIB, 1)
            return True
        time.sleep(0.001)
    return False


def patterns(disk: str) -> dict[int, int]:
    """MiB -> what it is filled with."""
    raw = Path(f"{disk}.read")
    form = Path(disk).suffix[1:]
    subprocess.run(["qemu-img", "convert", "-U", "-f", form, "-O", "raw", disk, str(raw)], check=True)
    content = raw.read_bytes()
    raw.unlink()
    pieces = {at: set(content[at * MIB : (at + 1) * MIB]) for at in range(SIZE // MIB)}
    return {at: piece.pop() if len(piece) == 1 else -1 for at, piece in pieces.items()}


BEFORE = {at: 1 if at < FULL // MIB else 0 for at in range(SIZE // MIB)}


@pytest.mark.parametrize("image", ["qcow2", "raw"])
async def test_what_is_written_while_it_is_copied_is_not_in_it(site: Site, image: str) -> None:
    """Neither over what was there nor beyond, whether it was copied by then or not."""
    ours, host = LibvirtDriver(settings(site, format=image)), site.hosts[0]
    disk, vm = await full_disk(ours), running(site.hosts[0])
    assert await ours.attach([disk], vm, ONE) == [Done()]
    await write(host, vm, 3 * MIB, 2)
    asked = asyncio.ensure_future(ours.snapshot(KEY, Spec(SIZE), disk))
    await slowed(host, vm)
    for at in (0, 7, 511, 516):
        await write(host, vm, at * MIB, 9)
    assert not asked.done()
    assert await ours.keys("snap-") == []
    host.domain(vm).blockJobSetSpeed("sda", 0)
    kept = await asked

    assert isinstance(kept, Created), kept
    assert await asyncio.to_thread(patterns, kept.disk) == BEFORE | {3: 2}
    assert (await asyncio.to_thread(patterns, disk))[511] == 9
    assert await ours.keys("") == ["data", KEY]
    await ours.close()


async def test_a_detach_ends_the_copy_and_is_not_kept_waiting(site: Site, ours: LibvirtDriver) -> None:
    disk, vm = await full_disk(ours), running(site.hosts[0])
    new = running(site.hosts[1])
    await ours.attach([disk], vm, ONE)
    asked = asyncio.ensure_future(ours.snapshot(KEY, Spec(SIZE), disk))
    await slowed(site.hosts[0], vm)
    began = time.monotonic()
    assert await ours.detach([disk], vm, TWO) == [Done()]
    assert await ours.attach([disk], new, TWO) == [Done()]
    took, outcome = time.monotonic() - began, await asked

    assert took < 5
    assert isinstance(outcome, Refused)
    assert outcome.retry_after is not None
    assert await ours.keys("") == ["data"]
    assert [each.name for each in site.pool.iterdir()] == [Path(disk).name]
    again = await ours.snapshot(KEY, Spec(SIZE), disk)
    assert isinstance(again, Created), again
    assert await asyncio.to_thread(patterns, again.disk) == BEFORE


async def test_a_copy_whose_controller_died_is_no_snapshot_and_the_next_one_makes_it_anew(
    site: Site, ours: LibvirtDriver
) -> None:
    """The job goes on in the VM without it."""
    host, vm = site.hosts[0], running(site.hosts[0])
    disk, dead = await full_disk(ours), LibvirtDriver(settings(site))
    await ours.attach([disk], vm, ONE)
    asked = asyncio.ensure_future(dead.snapshot(KEY, Spec(SIZE), disk))
    await slowed(host, vm)
    asked.cancel()
    with suppress(asyncio.CancelledError):
        await asked
    await dead.close()
    await write(host, vm, 2 * MIB, 5)
    assert await ours.keys("") == ["data"]
    kept = await ours.snapshot(KEY, Spec(SIZE), disk)

    assert isinstance(kept, Created), kept
    assert await asyncio.to_thread(patterns, kept.disk) == BEFORE | {2: 5}
    assert [each.name for each in site.pool.iterdir() if each.name.startswith("_copy.")] == []


async def test_a_vm_copies_one_disk_at_a_time_and_others_come_and_go_meanwhile(site: Site, ours: LibvirtDriver) -> None:
    host, vm = site.hosts[0], running(site.hosts[0])
    one, two = await full_disk(ours, "one"), await full_disk(ours, "two")
    assert list(await ours.attach([one, two], vm, ONE)) == [Done(), Done()]
    asked = asyncio.ensure_future(ours.snapshot(VolumeKey("snap-one-1"), Spec(SIZE), one))
    await slowed(host, vm)
    refused = await ours.snapshot(VolumeKey("snap-two-1"), Spec(SIZE), two)
    third = await new_disk(ours, "third")
    assert await ours.attach([third], vm, ONE) == [Done()]
    assert await ours.detach([third], vm, ONE) == [Done()]
    assert not asked.done(), asked.result()

    assert isinstance(refused, Refused)
    assert (refused.retry_after is not None, "copies another disk just now" in refused.why) == (True, True)
    host.domain(vm).abortJob()
    ended = await asked
    assert isinstance(ended, Refused)
    assert "was ended before its end" in ended.why
    for key, disk in (("snap-one-1", one), ("snap-two-1", two)):
        made = await ours.snapshot(VolumeKey(key), Spec(SIZE), disk)
        assert isinstance(made, Created), made
    assert await ours.keys("") == ["one", "snap-one-1", "snap-two-1", "third", "two"]


async def test_a_vm_that_is_killed_in_the_middle_leaves_no_snapshot(site: Site, ours: LibvirtDriver) -> None:
    host, vm = site.hosts[0], running(site.hosts[0])
    disk = await full_disk(ours)
    await ours.attach([disk], vm, ONE)
    asked = asyncio.ensure_future(ours.snapshot(KEY, Spec(SIZE), disk))
    await slowed(host, vm)
    await ours.power_off(vm)
    outcome = await asked

    assert not isinstance(outcome, Created)
    assert await ours.keys("") == ["data"]
    off = await ours.snapshot(KEY, Spec(SIZE), disk)
    assert isinstance(off, Refused)
    assert "does not run" in off.why
    assert await ours.detach([disk], vm, TWO) == [Done()]
    assert isinstance(await ours.snapshot(KEY, Spec(SIZE), disk), Created)

"""Disks that an administrator moves under a guest that writes, and two swarms in one pool: on real QEMU."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

from controller.model import AttachmentState, DiskId, Epoch, VmId
from drivers.base import Done, Refused
from drivers.libvirt.driver import LibvirtDriver
from drivers.owners import Home
from tests.libvirtd.driver import new_disk, running
from tests.libvirtd.guest import boot
from tests.libvirtd.hypervisor import Hypervisor, until
from tests.libvirtd.site import Site

ONE, TWO = Epoch(1), Epoch(2)
TARGET = "sda"


async def virsh(host: Hypervisor, *words: str) -> None:
    await asyncio.to_thread(subprocess.run, ["virsh", "-c", host.uri, *words], check=True, capture_output=True)


async def told(command: str, host: Hypervisor) -> None:
    """What the driver says in backquotes, typed."""
    await virsh(host, *command.partition("`virsh ")[2].partition("`")[0].split())


def written(host: Hypervisor, vm: VmId) -> int:
    """The number of the guest's last good write."""
    return max(map(int, re.findall(r"WROTE \w+ \S+ (\d+)\b", host.console(vm))), default=0)


async def goes_on(host: Hypervisor, vm: VmId) -> None:
    before = written(host, vm)
    await asyncio.to_thread(until, lambda: written(host, vm) > before + 2, "the guest writes", 120)


def raw(file: str, folder: Path) -> bytes:
    """All that is in an image."""
    copy = folder / "raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", file, str(copy)], check=True)
    return copy.read_bytes()


async def test_a_disk_moved_under_a_guest_that_writes_is_given_to_nobody_and_comes_back_without_a_loss(
    site: Site, ours: LibvirtDriver
) -> None:
    host, disk = site.hosts[0], await new_disk(ours)
    vm, second = host.define(boot(site.folder)), running(site.hosts[1])
    host.start(vm)
    assert await ours.attach([disk], vm, ONE) == [Done()]
    elsewhere = site.folder / "moved-live.qcow2"
    elsewhere.unlink(missing_ok=True)
    await goes_on(host, vm)
    copied = ("--format", "qcow2", "--wait", "--transient-job")
    await virsh(host, "blockcopy", vm, TARGET, str(elsewhere), *copied)
    (refused,) = await ours.detach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert f"is being copied to {elsewhere}" in refused.why

    await virsh(host, "blockjob", vm, TARGET, "--pivot")
    await goes_on(host, vm)
    assert isinstance((await ours.attach([disk], second, TWO))[0], Refused)
    assert isinstance((await ours.detach([disk], vm, TWO))[0], Refused)
    listed = await ours.list_attachments()
    assert [(each.disk, each.vm, each.state) for each in listed.attachments] == [(disk, vm, AttachmentState.UNCERTAIN)]

    await told(listed.odd[disk], host)
    await goes_on(host, vm)
    assert await ours.detach([disk], vm, TWO) == [Done()]
    last = written(host, vm)
    assert f"record of {vm} {last} ".encode() in raw(disk, site.folder)
    assert await ours.attach([disk], second, TWO) == [Done()]


async def test_an_overlay_into_which_all_was_pulled_holds_the_disk_also_when_its_vm_is_off(
    site: Site, ours: LibvirtDriver
) -> None:
    host, disk, overlay = site.hosts[0], await new_disk(ours), site.folder / "overlay.qcow2"
    vm, second = running(host), running(site.hosts[1])
    overlay.unlink(missing_ok=True)
    assert await ours.attach([disk], vm, ONE) == [Done()]
    spec = f"{TARGET},snapshot=external,file={overlay}"
    await virsh(host, "snapshot-create-as", vm, "s1", "--disk-only", "--no-metadata", "--diskspec", spec)
    await held_there(ours, disk, vm, second)
    await virsh(host, "blockpull", vm, TARGET, "--wait")
    await held_there(ours, disk, vm, second)
    host.stop(vm)
    await held_there(ours, disk, vm, second)
    assert "start the VM" in (await ours.list_attachments()).odd[disk]


async def held_there(ours: LibvirtDriver, disk: DiskId, vm: VmId, second: VmId) -> None:
    assert [(each.disk, each.vm) for each in (await ours.list_attachments()).attachments] == [(disk, vm)]
    assert isinstance((await ours.attach([disk], second, TWO))[0], Refused)
    assert isinstance((await ours.detach([disk], vm, TWO))[0], Refused)
    assert isinstance(await ours.delete(disk), Refused)


async def test_a_pool_is_used_by_the_swarm_that_came_first_until_another_replaces_it(
    site: Site, ours: LibvirtDriver
) -> None:
    def home(swarm: str, *replaced: str) -> Home:
        async def own() -> str:
            return swarm

        return Home(ours, own, replaced)

    await new_disk(ours)
    assert await home("first").refusal(ONE, lambda: 0) == ""
    assert [file.name for file in site.pool.glob("_swarm*")] == ["_swarm.first.raw"]
    assert f"the pool reberth ({site.pool}) belongs to the swarm first" in await home("second").refusal(ONE, lambda: 0)
    assert await home("second", "first").refusal(ONE, lambda: 0) == ""
    assert [file.name for file in site.pool.glob("_swarm*")] == ["_swarm.second.raw"]
    assert "belongs to the swarm second" in await home("first").refusal(TWO, lambda: 0)

"""A disk is away when QEMU has closed it, not when libvirt describes its VM without it: real QEMU, slowed by strace."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, Refused
from drivers.libvirt.driver import LibvirtDriver
from tests.libvirtd.driver import new_disk, running, settings
from tests.libvirtd.hypervisor import Hypervisor, until
from tests.libvirtd.site import Site

ONE, TWO = Epoch(1), Epoch(2)
SLOW = 3_000_000  # microseconds


@contextmanager
def closed_slowly(host: Hypervisor, vm: VmId, disk: DiskId) -> Iterator[None]:
    words = ("-e", "trace=close", "-e", f"inject=close:delay_enter={SLOW}", "-P", disk)
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *words, "-p", str(host.qemu_pid(vm))]
    with subprocess.Popen(command) as tracer:
        until(lambda: traced(host.qemu_pid(vm)), "QEMU is traced", 30)
        try:
            yield
        finally:
            tracer.terminate()


def traced(pid: int) -> bool:
    return all("TracerPid:\t0" not in each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/status"))


def has_open(pid: int, disk: DiskId) -> bool:
    return any(str(each.readlink()) == disk for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink())


def described(host: Hypervisor, vm: VmId) -> str:
    return str(host.connection.lookupByUUIDString(vm).XMLDesc(0))


async def test_a_detach_is_done_when_the_process_has_closed_the_file(site: Site, ours: LibvirtDriver) -> None:
    host, disk = site.hosts[0], await new_disk(ours)
    vm, second = running(host), running(site.hosts[1])
    assert await ours.attach([disk], vm, ONE) == [Done()]
    with closed_slowly(host, vm, disk):
        assert await ours.detach([disk], vm, ONE) == [Done()]
        assert not has_open(host.qemu_pid(vm), disk)
        assert await ours.attach([disk], second, TWO) == [Done()]


@pytest.mark.parametrize("known", [True, False], ids=["to a driver that saw it there", "to a driver that is new"])
async def test_a_disk_is_not_away_while_the_process_has_it_open(site: Site, ours: LibvirtDriver, known: bool) -> None:
    host, disk = site.hosts[0], await new_disk(ours)
    vm, second = running(host), running(site.hosts[1])
    assert await ours.attach([disk], vm, ONE) == [Done()]
    looking = LibvirtDriver(settings(site))
    if known:
        await looking.list_attachments()
    with closed_slowly(host, vm, disk):
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(ours.detach([disk], vm, ONE))
            await held_open(looking, host, vm, disk, second)
        assert leaving.result() == [Done()]
        assert vm in (await looking.list_attachments()).seen
    await looking.close()


async def held_open(looking: LibvirtDriver, host: Hypervisor, vm: VmId, disk: DiskId, second: VmId) -> None:
    await asyncio.to_thread(until, lambda: disk not in described(host, vm), "it is not described", 30)
    assert has_open(host.qemu_pid(vm), disk)
    listed = await looking.list_attachments()
    assert vm not in listed.seen
    assert "libvirt is at work on VM" in listed.unread[0]
    assert isinstance((await looking.attach([disk], second, TWO))[0], Refused)

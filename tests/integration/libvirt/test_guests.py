"""The libvirt driver and guests that write: what reaches the disk, and what does not any more."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.model import Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, InDoubt
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.settings import Settings
from tests.libvirtd.guest import boot
from tests.libvirtd.hypervisor import Hypervisor, until
from tests.libvirtd.site import Site, shared_site

ONE, TWO = Epoch(1), Epoch(2)
BOOTED = 120  # seconds that a guest may take on a busy machine


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = await asyncio.to_thread(shared_site)
    await asyncio.to_thread(made.reset)
    yield made
    await asyncio.to_thread(made.reset)


def driver(site: Site, **more: object) -> LibvirtDriver:
    return LibvirtDriver(Settings.parse(site.settings(look_timeout=20.0, **more)))


def guest(host: Hypervisor, site: Site) -> VmId:
    vm = host.define(boot(site.folder))
    host.start(vm)
    return vm


async def up(host: Hypervisor, vm: VmId) -> None:
    await asyncio.to_thread(until, lambda: "GUEST-UP" in host.console(vm), "the guest is up", BOOTED)


async def says(host: Hypervisor, vm: VmId, pattern: str, times: int = 1) -> None:
    await asyncio.to_thread(
        until,
        lambda: len(re.findall(pattern, host.console(vm))) >= times,
        f"the guest says {pattern}; it said {host.console(vm)[-500:]}",
        BOOTED,
    )


def written(host: Hypervisor, vm: VmId) -> int:
    """The number of the guest's last good write."""
    return int(re.findall(r"WROTE \w+ \S+ (\d+)\b", host.console(vm))[-1])


async def test_a_hung_guest_that_wakes_up_after_its_disk_was_taken_cannot_write_any_more(site: Site) -> None:
    """The promise ``detach_cuts_io``: detached while paused, attached elsewhere, resumed, and its writes fail."""
    ours = driver(site)
    first, second = site.hosts
    old, new = guest(first, site), guest(second, site)
    created = await ours.create(VolumeKey("cut"), Spec(64 * 2**20))
    assert isinstance(created, Created)
    disk = created.disk
    await up(first, old)
    await up(second, new)
    assert await ours.attach([disk], old, ONE) == [Done()]
    names = (await ours.device(disk, old)).by_id
    wwid = f"naa.{names[0].removeprefix('wwn-0x')}"
    await says(first, old, f"WROTE \\w+ {wwid}", 3)

    first.domain(old).suspend()
    assert (await ours.power([old]))[old] is Power.ON
    assert await ours.detach([disk], old, TWO) == [Done()]
    assert await ours.attach([disk], new, TWO) == [Done()]
    await says(second, new, f"WROTE \\w+ {wwid}", 3)
    before = written(first, old)
    first.domain(old).resume()
    await says(first, old, f"FAILED \\w+ {wwid}")
    await ours.close()
    text = await asyncio.to_thread(content, Path(disk), site, second, new)
    reached = {int(each) for each in re.findall(f"record of {old} (\\d+) ", text)}
    assert f"record of {new} 1 " in text
    # The write under way when it was paused may have reached the disk unanswered; none after it did.
    assert max(reached, default=0) <= before + 1
    assert written(first, old) <= before + 1


def content(disk: Path, site: Site, host: Hypervisor, vm: VmId) -> str:
    """The beginning of the disk as text, once nobody writes to it."""
    host.stop(vm)
    raw = site.folder / "read.raw"
    subprocess.run(["qemu-img", "convert", "-f", disk.suffix[1:], "-O", "raw", disk, raw], check=True)
    text = raw.read_bytes()[: 2**20].decode(errors="replace")
    raw.unlink()
    return text


async def test_a_qemu_process_that_hangs_leaves_the_detach_in_doubt_and_can_be_powered_off(site: Site) -> None:
    ours, patient = driver(site, call_timeout=4.0, detach_wait=2.0), driver(site)
    host = site.hosts[0]
    vm = host.define()
    host.start(vm)
    created = await ours.create(VolumeKey("hung"), Spec(2**20))
    assert isinstance(created, Created)
    assert await ours.attach([created.disk], vm, ONE) == [Done()]
    os.kill(host.qemu_pid(vm), signal.SIGSTOP)
    (outcome,) = await ours.detach([created.disk], vm, ONE)
    assert isinstance(outcome, InDoubt)
    assert [each.vm for each in (await ours.list_attachments()).attachments] == [vm]
    # libvirt asks the process to end, and kills it 10 to 15 s later.
    assert await patient.power_off(vm) is Power.OFF
    assert await patient.detach([created.disk], vm, ONE) == [Done()]
    assert list((await patient.list_attachments()).attachments) == []
    await patient.close()
    await ours.close()


async def test_a_killed_vm_is_seen_off_its_disk_moves_on_and_it_starts_again_without_it(site: Site) -> None:
    ours = driver(site)
    first, second = site.hosts
    old, new = first.define(), second.define()
    first.start(old)
    second.start(new)
    created = await ours.create(VolumeKey("killed"), Spec(2**20))
    assert isinstance(created, Created)
    await ours.attach([created.disk], old, ONE)
    os.kill(first.qemu_pid(old), signal.SIGKILL)
    await asyncio.to_thread(until, lambda: not first.domain(old).isActive(), "libvirt sees that it died")
    assert await ours.power([old]) == {old: Power.OFF}
    assert await ours.detach([created.disk], old, TWO) == [Done()]
    assert await ours.attach([created.disk], new, TWO) == [Done()]
    first.start(old)
    assert [(each.disk, each.vm) for each in (await ours.list_attachments()).attachments] == [(created.disk, new)]
    await ours.close()


@pytest.mark.parametrize("image", ["qcow2", "raw"])
async def test_what_a_guest_gives_back_makes_the_file_of_its_disk_smaller_again(site: Site, image: str) -> None:
    ours, host = driver(site, format=image), site.hosts[0]
    vm = guest(host, site)
    created = await ours.create(VolumeKey("thin"), Spec(48 * 2**20))
    assert isinstance(created, Created)
    await up(host, vm)
    assert await ours.attach([created.disk], vm, ONE) == [Done()]
    await says(host, vm, "FILLED")
    full = taken(Path(created.disk))
    await says(host, vm, "GIVEN")
    assert (full >= 32 * 2**20, taken(Path(created.disk)) < 4 * 2**20) == (True, True)
    await ours.close()


def taken(disk: Path) -> int:
    """Bytes of the storage."""
    return disk.stat().st_blocks * 512

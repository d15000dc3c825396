"""The driver and its hosts: one that hangs, is lost, comes back, or has no pool."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest

from controller.model import Attachment, DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Done, DriverError, Refused, Unreachable
from drivers.libvirt.client import Host
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.faults import Fault, Kind
from tests.libvirtd.driver import new_disk, running, settings
from tests.libvirtd.site import Site

ONE = Epoch(1)


async def test_a_hypervisor_that_hangs_is_unread_within_the_time_given_and_readable_again_after_it(site: Site) -> None:
    ours = LibvirtDriver(settings(site, look_timeout=1.0))
    vm = running(site.hosts[0])
    assert (await ours.power([vm]))[vm] is Power.ON
    pids = site.hosts[0].daemon_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await ours.power([vm]) == {vm: Power.UNKNOWN}
        (unread,) = (await ours.list_attachments()).unread
        assert "did not answer within 1 s" in unread
        (refused,) = await ours.attach([DiskId("any")], vm, ONE)
        assert isinstance(refused, Refused)
        assert "may run on another one" in refused.why
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        while (await ours.power([vm]))[vm] is not Power.ON:  # noqa: ASYNC110 - libvirtd tells nobody that it is back
            await asyncio.sleep(0.1)
    await ours.close()


async def test_a_lost_host_is_said_to_be_unread_and_what_it_may_have_is_neither_deleted_nor_copied(
    site: Site, ours: LibvirtDriver
) -> None:
    """Whether the driver had noticed the end of its connection decides which of two sentences it says."""
    disk, vm, there = await new_disk(ours), running(site.hosts[0]), running(site.hosts[1])
    site.hosts[1].stop_daemon()
    listed = await ours.list_attachments()
    assert (listed.attachments, listed.seen) == ((), frozenset({vm}))
    assert re.search(r"no connection|connection was lost", listed.unread[0])
    assert isinstance(await ours.delete(disk), Unreachable)
    assert isinstance(await ours.clone(VolumeKey("copy"), Spec(2**20), disk), Unreachable)
    assert [type(each) for each in await ours.attach([disk], there, ONE)] == [Refused]
    assert [type(each) for each in await ours.detach([disk], there, ONE)] == [Refused]
    assert await ours.power([vm, there]) == {vm: Power.ON, there: Power.UNKNOWN}


async def test_a_vm_on_a_host_that_answers_gets_and_gives_its_disks_while_another_host_is_lost(
    site: Site, ours: LibvirtDriver
) -> None:
    """Whether a disk may be on the lost host is the planner's question; QEMU's lock has the last word."""
    disk, vm = await new_disk(ours), running(site.hosts[0])
    site.hosts[1].stop_daemon()
    assert await ours.attach([disk], vm, ONE) == [Done()]
    assert (await ours.list_attachments()).attachments == (Attachment(disk, vm, epoch=ONE),)
    assert await ours.detach([disk], vm, ONE) == [Done()]


async def test_vms_survive_the_restart_of_libvirtd_and_the_driver_connects_again(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    await ours.attach([disk], vm, ONE)
    site.hosts[0].stop_daemon()
    listed = await ours.list_attachments()
    assert (listed.attachments, len(listed.unread)) == ((), 1)
    site.hosts[0].start_daemon()
    assert list((await ours.list_attachments()).attachments) == [Attachment(disk, vm, epoch=ONE)]
    assert await ours.detach([disk], vm, ONE) == [Done()]


async def test_the_watch_says_after_a_restart_of_libvirtd_that_something_may_have_been_missed(
    site: Site, ours: LibvirtDriver
) -> None:
    events = ours.watch_power()
    async with asyncio.timeout(60):
        assert [(await anext(events)).vm for _ in site.hosts] == [None, None]
        site.hosts[0].stop_daemon()
        site.hosts[0].start_daemon()
        assert (await anext(events)).vm is None
        vm = running(site.hosts[0])
        assert (await anext(events)).vm == vm


async def test_a_host_without_the_pool_is_unread_with_the_cure(site: Site) -> None:
    ours = LibvirtDriver(settings(site, pool="other"))
    with pytest.raises(DriverError, match="virsh pool-define-as other"):
        await ours.list_attachments()
    await ours.close()


async def test_errors_of_libvirt_have_the_kinds_that_were_measured(site: Site, ours: LibvirtDriver) -> None:
    host, vm = Host(0, settings(site)), running(site.hosts[0])
    with pytest.raises(Fault) as no_domain:
        host.seat(VmId("ffffffff-0000-4000-8000-000000000000"))
    with pytest.raises(Fault) as no_volume:
        host.files["reberth"].delete(DiskId("/nowhere/reberth-none.qcow2"))
    seat = host.seat(vm)
    site.hosts[0].stop(vm)
    with pytest.raises(Fault) as off:
        host.stamp(seat, ONE, 1)
    kinds = [each.value.kind for each in (no_domain, no_volume, off)]
    assert kinds == [Kind.NO_DOMAIN, Kind.NO_VOLUME, Kind.STATE]
    host.close()

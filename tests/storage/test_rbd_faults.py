"""The libvirt driver on RBD images: late calls, a cluster that does not answer, keys that are too weak."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import pytest

from controller.model import Epoch, Power
from drivers.base import Done, DriverError, InDoubt, Unreachable
from drivers.libvirt.client import Host
from drivers.libvirt.devices import Place, disk_xml
from drivers.libvirt.faults import Fault
from drivers.libvirt.settings import Settings
from tests.ceph.guests import blocklist, clients, driver, image, new_disk, records, two_guests
from tests.ceph.site import VM_USER, RbdSite
from tests.libvirtd.hypervisor import until

ONE, TWO = Epoch(1), Epoch(2)


async def test_a_hung_guest_that_wakes_up_after_its_disk_was_taken_cannot_write_any_more(site: RbdSite) -> None:
    """The promise ``detach_cuts_io``, without a fence: QEMU closes the image of a guest that is paused."""
    ours = driver(site)
    old, new = await two_guests(site)
    disk = await new_disk(ours)
    assert await ours.attach([disk], old.vm, ONE) == [Done()]
    await ours.device(disk, old.vm)
    await old.writes()
    old.host.domain(old.vm).suspend()
    entries = await asyncio.to_thread(blocklist, site)
    assert await ours.detach([disk], old.vm, TWO) == [Done()]
    before = old.written
    assert await ours.attach([disk], new.vm, TWO) == [Done()]
    assert await asyncio.to_thread(blocklist, site) == entries  # the detach was the evidence, and nobody was noted
    await new.writes()
    old.host.domain(old.vm).resume()
    await old.says("FAILED")
    found = await records(site, disk, new, old)
    assert max([old.written, *found[old.vm]]) <= before + 1
    await ours.close()


async def test_an_attach_that_was_decided_before_another_one_opens_nothing(site: RbdSite) -> None:
    """A call of a controller that was halted in it: its disk has been elsewhere since, and has another name."""
    ours, settings = driver(site), Settings.parse(site.settings())
    first, second = (host.define() for host in site.hosts)
    for host, vm in zip(site.hosts, (first, second), strict=True):
        host.start(vm)
    disk = await new_disk(ours)
    name = await asyncio.to_thread(image, site, disk)
    late = disk_xml(disk, name, Place(0, 9, "sdx"), "ua-late", settings)
    assert await ours.attach([disk], second, ONE) == [Done()]
    late_host = Host(0, settings)
    with pytest.raises(Fault):
        await asyncio.to_thread(lambda: late_host.attach(late_host.seat(first), late))
    assert [each.vm for each in (await ours.list_attachments()).attachments] == [second]
    late_host.close()
    await ours.close()


async def test_a_killed_vm_is_fenced_instead_of_waited_for(site: RbdSite) -> None:
    """For Ceph it has the image open until it was not heard of for 30 s."""
    ours = driver(site)
    first, second = (host.define() for host in site.hosts)
    for host, vm in zip(site.hosts, (first, second), strict=True):
        host.start(vm)
    disk = await new_disk(ours)
    assert await ours.attach([disk], first, ONE) == [Done()]
    (address,) = await asyncio.to_thread(clients, site, disk)
    os.kill(site.hosts[0].qemu_pid(first), signal.SIGKILL)
    await asyncio.to_thread(until, lambda: not site.hosts[0].domain(first).isActive(), "libvirt sees that it died")
    assert await ours.power([first]) == {first: Power.OFF}
    assert await ours.detach([disk], first, TWO) == [Done()]
    assert await ours.attach([disk], second, TWO) == [Done()]
    assert address not in await asyncio.to_thread(clients, site, disk)
    await ours.close()


async def test_no_disk_is_given_to_a_vm_while_ceph_does_not_answer(site: RbdSite) -> None:
    """Its monitor hangs: whether anybody has the image open cannot be read. Who has which disk, libvirt still tells."""
    rbd = site.rbd(timeout=4.0)
    ours = driver(site, rbd=rbd)
    vm = site.hosts[0].define()
    site.hosts[0].start(vm)
    disk = await new_disk(ours)
    site.ceph.freeze("mon")
    try:
        (outcome,) = await ours.attach([disk], vm, ONE)
        assert isinstance(outcome, Unreachable | InDoubt)
        assert (await ours.list_attachments()).attachments == ()
        with pytest.raises(DriverError):
            await ours.keys("")
    finally:
        site.ceph.thaw("mon")
    patient = driver(site)
    assert await patient.attach([disk], vm, ONE) == [Done()]
    for each in (ours, patient):
        await each.close()


async def test_no_grant_is_given_where_it_is_not_noted_who_has_the_image_open(site: RbdSite) -> None:
    """``device`` is asked before each grant."""
    rbd = site.rbd(timeout=4.0)
    ours, patient = driver(site, rbd=rbd), driver(site)
    vm = site.hosts[0].define()
    site.hosts[0].start(vm)
    disk = await new_disk(patient)
    assert await patient.attach([disk], vm, ONE) == [Done()]
    site.ceph.freeze("mon")
    try:
        with pytest.raises(DriverError):
            await ours.device(disk, vm)
    finally:
        site.ceph.thaw("mon")
    assert (await patient.device(disk, vm)).by_id
    noted = await asyncio.to_thread(site.ceph.rbd, "image-meta", "ls", image(site, disk))
    assert all(f"reberth_client_{each}" in noted for each in await asyncio.to_thread(clients, site, disk))
    for each in (ours, patient):
        await each.close()


async def test_the_key_of_a_hypervisor_cannot_lift_a_fence(site: RbdSite) -> None:
    """It may fence, as librbd does where a lock's owner died."""
    keyring = site.ceph.folder / f"{VM_USER}.keyring"
    who = ["ceph", "-c", "/dev/null", "-m", site.ceph.monitor, "--id", VM_USER, "--keyring", str(keyring)]
    for act, code in (("add", 0), ("rm", 13)):
        argv = [*who, "osd", "blocklist", act, "127.0.0.1:0/4242"]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=False)
        assert done.returncode == code, done.stderr

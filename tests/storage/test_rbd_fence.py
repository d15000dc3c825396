"""Fenced at the storage: RBD images of a real Ceph cluster, real QEMU, a guest that is cut off from everybody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta

from controller.model import DiskId, Epoch
from drivers.base import Done
from tests.ceph.guests import blocklist, clients, driver, image, new_disk, records, two_guests
from tests.ceph.site import RbdSite
from tests.libvirtd.hypervisor import until

ONE, TWO = Epoch(1), Epoch(2)


async def test_a_guest_frozen_for_longer_than_any_expiry_cannot_write_when_it_goes_on(site: RbdSite) -> None:
    """
    Its host is cut off, and a person said that it is dead, which is wrong: it is only frozen.

    By the time its disk is given to another VM, Ceph has forgotten it: it is no watcher any more, it lost its lock to
    somebody who looked at the image, and the blocklist entry that Ceph made of it then has ended.
    """
    both, left = driver(site), driver(site, uris=[site.hosts[1].uri])
    old, new = await two_guests(site)
    disk = await new_disk(both)
    assert await both.attach([disk], old.vm, ONE) == [Done()]
    await both.device(disk, old.vm)  # as before each grant
    await old.writes()
    (address,) = await asyncio.to_thread(clients, site, disk)
    os.kill(old.host.qemu_pid(old.vm), signal.SIGSTOP)
    before = old.written
    await asyncio.to_thread(forgotten, site, disk, address)

    assert await left.attach([disk], new.vm, TWO) == [Done()]
    assert (await asyncio.to_thread(blocklist, site))[address] > datetime.now(UTC) + timedelta(days=3650)
    await new.writes()
    os.kill(old.host.qemu_pid(old.vm), signal.SIGCONT)
    await old.says("FAILED")
    await new.writes()
    done = new.written

    found = await records(site, disk, new, old)
    # The write under way when it was frozen may have reached the disk; none after it did.
    assert max([old.written, *found[old.vm]]) <= before + 1
    assert max(found[new.vm]) >= done
    for each in (both, left):
        await each.close()


def forgotten(site: RbdSite, disk: DiskId, address: str) -> None:
    """After this nothing of Ceph's own names the client."""
    until(lambda: address not in clients(site, disk), "it is no watcher any more", 60)
    for act in ("create", "rm"):
        site.ceph.rbd("snap", act, f"{image(site, disk)}@somebody")
    assert address in blocklist(site)
    until(lambda: address not in blocklist(site), "the entry has ended", 60)
    assert json.loads(site.ceph.rbd("lock", "ls", "--format", "json", image(site, disk))) == []

"""A moved disk is named by the disks that there are; where those cannot be listed its VM is unread."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import DiskId, Epoch, VmId
from drivers.libvirt.decide import Look, listing
from drivers.libvirt.devices import serial, wwn
from drivers.libvirt.inventory import HeldDisk, Seat, Side
from drivers.libvirt.looking.naming import Namer
from drivers.libvirt.looking.pools import Pool, Pools, only
from drivers.libvirt.stores import Disks

pytestmark = pytest.mark.looptime

POOL = Pool("reberth", "dir", "/pool", active=True)
DISK, OTHER, ONE = DiskId("/pool/reberth-a.qcow2"), DiskId("/pool/reberth-b.qcow2"), VmId("one")


def look(*files: str, pools: Pools = only(POOL)) -> Look:  # noqa: B008 - it is frozen
    devices = tuple(
        HeldDisk((file,), "sdb", "scsi", "ua-reberth-1-x", wwn(disk), serial(disk))
        for file, disk in zip(files, (DISK, OTHER), strict=False)
    )
    side = Side(devices, 0, {Epoch(1): 1})
    return Look(pools, (Seat(0, ONE, "vm", side, side),))


class Pooled:
    """The pools, that are listed at most so often."""

    def __init__(self, *disks: DiskId, gap: str = "", hangs: bool = False) -> None:
        self.found, self.hangs, self.asked = Disks(disks, gap), hangs, 0

    async def __call__(self, pools: Pools) -> Disks:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        return self.found


async def test_the_pools_are_listed_only_while_a_disk_is_moved_and_once_for_each() -> None:
    pools = Pooled(OTHER, DISK)
    namer = Namer(pools, 8.0)
    assert await namer.named(look(DISK)) == look(DISK)
    assert pools.asked == 0
    for _ in range(3):
        assert (await namer.named(look("/else/moved.qcow2"))).astray == {DISK}
    assert pools.asked == 1
    assert (await namer.named(look("/else/moved.qcow2", "/else/too.qcow2"))).astray == {DISK, OTHER}
    assert pools.asked == 2


async def test_one_that_kept_its_name_in_another_folder_is_known_without_them() -> None:
    pools = Pooled(gap="they hang")
    found = await Namer(pools, 8.0).named(look("/else/reberth-a.qcow2"))
    assert (set(found.astray), len(found.unnamed), pools.asked) == ({DISK}, 0, 0)


async def test_one_that_is_none_of_ours_harms_nobody() -> None:
    found = await Namer(Pooled(OTHER), 8.0).named(look("/else/moved.qcow2"))
    assert (len(found.astray), len(found.unnamed)) == (0, 0)
    assert listing(found).unread == ()


async def test_its_vm_is_unread_while_the_pools_cannot_be_listed() -> None:
    """It may be any disk that is listed nowhere."""
    for pools in (Pooled(OTHER, gap="fast hangs"), Pooled(hangs=True)):
        found = await Namer(pools, 8.0).named(look("/else/moved.qcow2"))
        listed = listing(found)
        assert listed.attachments == ()
        assert "VM vm has a disk of Reberth's as /else/moved.qcow2" in listed.unread[0]
        assert ("fast hangs" in listed.unread[0]) or ("were not listed within 8 s" in listed.unread[0])
        assert ONE not in listed.seen


async def test_one_that_is_found_in_a_pool_that_can_be_listed_is_named_whatever_the_others_do() -> None:
    found = await Namer(Pooled(DISK, gap="fast hangs"), 8.0).named(look("/else/moved.qcow2"))
    assert (set(found.astray), len(found.unnamed)) == ({DISK}, 0)

"""On which VM a disk becomes larger, and when on none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import DiskId
from drivers.base import Done, InDoubt, Refused
from drivers.shared.faults import Doubt
from drivers.vsphere.growing import enlarge, holder
from drivers.vsphere.inventory import Disk, File, Place, Vm
from drivers.vsphere.requests import Change

PLACE = Place("datastore-1", "DS", "reberth")
DISK = DiskId("[DS] reberth/one.vmdk")
FILE = File("datastore-1", "reberth/one.vmdk")
HELD = Disk(2000, 1000, 1, (FILE,), capacity_kib=1024)
VM = Vm("vm-1", "one", "uuid", "poweredOn", "connected", "host-1", disks=(HELD,))


def test_the_vm_that_has_the_disk_makes_it_larger() -> None:
    assert holder([replace(VM, ref="vm-2", disks=()), VM], PLACE, DISK) == VM


@pytest.mark.parametrize(
    ("vms", "why"),
    [
        ((), "on no VM"),
        ((VM, replace(VM, ref="vm-2")), "on 2 VMs"),
        ((replace(VM, connection="disconnected"),), "disconnected"),
        ((replace(VM, power="suspended"),), "suspended"),
        ((replace(VM, disks=(replace(HELD, files=(File("datastore-1", "vm/top.vmdk"), FILE)),)),), "under a snapshot"),
    ],
)
def test_elsewhere_it_stays_as_it_is(vms: tuple[Vm, ...], why: str) -> None:
    found = holder(vms, PLACE, DISK)

    assert isinstance(found, Refused)
    assert why in found.why


class VCenter:
    """One VM. ``error`` answers the change, which is carried out all the same if ``anyway``."""

    def __init__(self, error: Doubt | None, *, anyway: bool) -> None:
        self.now = VM
        self.error, self.anyway = error, anyway

    async def reconfigure(self, change: Change) -> None:
        if self.anyway:
            ((_, size),) = change.grown
            self.now = replace(VM, disks=(replace(HELD, capacity_kib=size),))
        if self.error is not None:
            raise self.error

    async def vm(self, ref: str) -> Vm:
        return self.now


@pytest.mark.parametrize("error", [None, Doubt("no answer")])
async def test_what_the_vm_shows_afterwards_decides(error: Doubt | None) -> None:
    assert await enlarge(VCenter(error, anyway=True), [VM], PLACE, DISK, 2048) == Done()
    assert isinstance(await enlarge(VCenter(error, anyway=False), [VM], PLACE, DISK, 2048), InDoubt)


async def test_a_disk_that_is_large_enough_is_left_alone() -> None:
    assert await enlarge(VCenter(Doubt("asked"), anyway=False), [VM], PLACE, DISK, 1024) == Done()

"""Who is asked to make a disk larger."""

from __future__ import annotations

import pytest

from controller.model import DiskId, VmId
from drivers.base import Refused
from drivers.libvirt.decide import Look
from drivers.libvirt.growing import Resize, to_resize
from drivers.libvirt.inventory import HeldDisk, Seat, Side
from drivers.libvirt.looking.pools import Pool, only
from drivers.libvirt.standing import Standing

POOL = Pool("reberth", "dir", "/pool", active=True)
DISK = DiskId("/pool/reberth-a.qcow2")
ONE = VmId("one")
HELD = Side((HeldDisk((DISK,), "sdb", "scsi"),))
UNDER = Side((HeldDisk(("/elsewhere/over.qcow2", DISK), "sdb", "scsi"),))


def look(*seats: Seat) -> Look:
    return Look(only(POOL), seats)


def test_the_host_of_the_running_vm_makes_its_disk_larger() -> None:
    elsewhere = Seat(0, ONE, "one", None, HELD, standing=Standing.OFF)

    assert to_resize(look(elsewhere, Seat(1, ONE, "one", HELD, HELD)), DISK) == Resize(1, ONE, "sdb")


def test_a_disk_that_no_running_vm_has_is_a_file() -> None:
    assert to_resize(look(Seat(0, ONE, "one", None, HELD, standing=Standing.OFF)), DISK) is None
    assert to_resize(look(Seat(0, ONE, "one", Side(), HELD)), DISK) is None
    assert to_resize(look(), DISK) is None


@pytest.mark.parametrize(
    ("seats", "why"),
    [
        ((Seat(0, ONE, "one", None, None, HELD, Standing.SAVED),), "one is saved"),
        ((Seat(0, ONE, "one", UNDER, None),), "under a snapshot of the VM one"),
        ((Seat(0, ONE, "one", HELD, None), Seat(1, ONE, "one", HELD, None)), "on several hosts"),
    ],
)
def test_where_its_size_is_known_to_more_than_one_nothing_is_changed(seats: tuple[Seat, ...], why: str) -> None:
    found = to_resize(look(*seats), DISK)

    assert isinstance(found, Refused)
    assert why in found.why


def test_a_file_that_is_not_ours_is_refused() -> None:
    assert isinstance(to_resize(look(), DiskId("/pool/other.qcow2")), Refused)

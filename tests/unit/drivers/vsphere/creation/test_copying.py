"""What is said of a disk that is there already."""

from __future__ import annotations

from controller.model import DiskId
from drivers.base import Created, InDoubt, Refused
from drivers.vsphere.creation.copying import made_before
from drivers.vsphere.inventory import Found

DISK = DiskId("[DS] reberth/data.vmdk")


def test_a_disk_that_is_there_is_the_volumes_if_it_has_the_size() -> None:
    assert made_before(DISK, 8, [Found("data.vmdk", 8)]) == Created(DISK)
    assert made_before(DISK, 8, [Found("data.vmdk", None)]) == Created(DISK)
    assert isinstance(made_before(DISK, 8, [Found("data.vmdk", 9)]), Refused)


def test_a_name_that_is_taken_without_a_disk_of_that_name_is_no_disk() -> None:
    """As what is left of a disk without its descriptor: no VM could ever open it."""
    assert isinstance(made_before(DISK, 8, []), InDoubt)
    assert isinstance(made_before(DISK, 8, [Found("data-flat.vmdk", 8)]), InDoubt)

"""Which image is which disk."""

from __future__ import annotations

import pytest

from controller.model import DiskId, VolumeKey
from drivers.libvirt.faults import Fault
from drivers.libvirt.rbd.names import Names, copy_name, named

DISK = DiskId("rbd:pool/reberth-data.x-1.raw")


def test_the_image_is_found_whatever_its_present_name() -> None:
    names = Names(("other", "reberth-data.x-1.0a1b", "reberth-data.x-12.new", "reberth-data.x.new"))
    assert names.current(DISK) == "reberth-data.x-1.0a1b"
    assert Names(()).current(DISK) is None


def test_a_new_image_that_was_made_too_late_is_none() -> None:
    """By a call that had not seen the one that was attached meanwhile."""
    names = Names((named(VolumeKey("data.x-1")), "reberth-data.x-1.0a1b"))
    assert names.current(DISK) == "reberth-data.x-1.0a1b"
    assert names.keys("data") == ["data.x-1"]
    assert len(names.of(DISK)) == 2  # both go with a delete


def test_two_images_that_could_be_the_disk_are_left_to_a_person() -> None:
    with pytest.raises(Fault, match="two images"):
        Names(("reberth-data.x-1.0a1b", "reberth-data.x-1.0c1d")).current(DISK)


def test_what_is_not_whole_is_no_disk() -> None:
    half = copy_name(VolumeKey("data.x-1"), "0a")
    names = Names((half, copy_name(VolumeKey("data.x-12"), "0a")))
    assert names.keys("") == []
    assert names.copies(VolumeKey("data.x-1")) == [half]

"""What is noted on a VM about its disks: pure."""

from __future__ import annotations

from dataclasses import replace

from controller.model import VolumeKey
from drivers.vsphere.inventory import Pin, Vm, pinned, pins

A, B, C = Pin(VolumeKey("a-0123")), Pin(VolumeKey("b-4567")), Pin(VolumeKey("c-89ab"))


def noted(**extra: str) -> Vm:
    return Vm("vm-1", "one", extra={name.replace("_", "."): value for name, value in extra.items()})


def test_pins_are_read_back_as_they_were_written() -> None:
    slots = {(0, 1): A, (0, 12): B, (3, 0): replace(C, datastore="SAN 2/\u00e4")}
    assert pins(noted(**{name.replace(".", "_"): value for name, value in pinned(noted(), slots)})) == slots


def test_only_controllers_whose_pins_change_are_written() -> None:
    vm = noted(reberth_disks_0="1:a-0123", reberth_disks_1="2:b-4567")
    assert pinned(vm, {(0, 3): C}) == (("reberth.disks.0", "1:a-0123 3:c-89ab"),)
    assert pinned(vm, {}, [B]) == (("reberth.disks.1", ""),)
    assert pinned(vm, {}) == ()


def test_a_disk_has_one_pin_the_newest() -> None:
    assert pinned(noted(reberth_disks_0="1:a-0123"), {(1, 5): A}) == (
        ("reberth.disks.0", ""),
        ("reberth.disks.1", "5:a-0123"),
    )


def test_what_somebody_else_wrote_there_is_no_pin() -> None:
    assert pins(noted(reberth_disks_0="x:a 7 :b 2:")) == {}
    assert pins(noted(reberth_disks_0="9" * 5000 + ":a")) == {}


def test_a_pin_that_tells_no_datastore_is_taken_off_with_its_disk_on_whichever_it_is() -> None:
    old, new = noted(reberth_disks_0="1:a-0123"), noted(reberth_disks_0="1:a-0123/SAN")
    for held in (old, new):
        assert pinned(held, {}, [replace(A, datastore="SAN")]) == (("reberth.disks.0", ""),)
    assert pinned(new, {}, [replace(A, datastore="NFS")]) == ()


def test_pins_that_are_out_of_date_go_and_are_written_anew_where_their_slot_is_used() -> None:
    held = noted(reberth_disks_0="1:a-0123 2:b-4567")
    assert pinned(held, {}, (), {(0, 1)}) == (("reberth.disks.0", "2:b-4567"),)
    assert pinned(held, {(0, 1): C}, (), {(0, 1)}) == (("reberth.disks.0", "1:c-89ab 2:b-4567"),)

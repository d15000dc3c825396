"""Which VM is which node's: pure."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from controller.model import VmId
from drivers.vsphere.inventory import Vm, find, identity, normal_uuid, orders, shows_uuids, stamp

PLAIN = "420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b"
SWAPPED = "6c0b0f42-2e1d-403f-8a9b-0c1d2e3f4a5b"
OTHER = "420f0b6c-1d2e-3f40-8a9b-ffffffffffff"


def vm(ref: str = "vm-1", uuid: str = PLAIN, **more: object) -> Vm:
    made = Vm(ref, f"name of {ref}", uuid, power="poweredOn", connection="connected", host="host-1")
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_swapped_order_is_the_little_endian_reading_of_the_first_three_fields() -> None:
    assert orders(PLAIN) == {PLAIN, SWAPPED}
    assert orders(SWAPPED) == {PLAIN, SWAPPED}


@given(st.uuids())
def test_both_orders_name_the_same_two_ids(uuid: UUID) -> None:
    assert all(orders(each) == orders(str(uuid)) for each in orders(str(uuid)))


def test_what_is_no_uuid_names_nobody() -> None:
    assert normal_uuid("not a uuid") == ""
    assert orders("") == frozenset()


def test_a_vm_goes_by_the_order_stamped_on_it() -> None:
    assert identity(vm()) == PLAIN
    assert identity(vm(extra={"reberth.vm": SWAPPED})) == SWAPPED


def test_a_clone_does_not_inherit_the_identity_or_the_epoch_of_its_original() -> None:
    clone = vm(uuid=OTHER, extra={"reberth.vm": PLAIN, "reberth.epoch": "9"})
    assert identity(clone) == OTHER
    assert stamp(clone) is None


def test_the_epoch_stamp_is_a_number_or_none() -> None:
    assert stamp(vm(extra={"reberth.vm": PLAIN, "reberth.epoch": "9"})) == 9
    assert stamp(vm(extra={"reberth.epoch": "nine"})) is None
    assert stamp(vm(extra={"reberth.epoch": "9" * 5000})) is None  # Python reads no number of so many digits
    assert stamp(vm()) is None


def test_find_gives_the_only_vm_that_fits_in_either_order() -> None:
    assert find([vm(), vm("vm-2", OTHER)], VmId(SWAPPED)) == vm()


def test_find_refuses_to_choose_between_a_plain_and_a_swapped_match() -> None:
    why = find([vm(), vm("vm-2", SWAPPED)], VmId(PLAIN))
    assert isinstance(why, str)
    assert "name of vm-1, name of vm-2" in why


def test_find_says_that_a_vm_is_not_visible() -> None:
    why = find([vm()], VmId(OTHER))
    assert isinstance(why, str)
    assert OTHER in why


def test_uuids_are_shown_only_if_the_setting_says_so() -> None:
    assert shows_uuids(vm(extra={"disk.enableuuid": "TRUE"}))
    assert not shows_uuids(vm(extra={"disk.enableuuid": "FALSE"}))
    assert not shows_uuids(vm())


def test_uuids_are_shown_too_where_the_flag_of_the_vm_says_so() -> None:
    """Which is how most tools that make VMs set it."""
    assert shows_uuids(vm(disk_uuids=True))

"""What is read of the world, and what of it belongs together."""

from __future__ import annotations

from controller.model import Power, VmId
from controller.reconciler.observer import _of_one_moment

A, B, C = VmId("a"), VmId("b"), VmId("c")


def test_a_power_counts_only_where_the_answer_with_the_attachments_knew_it_too() -> None:
    """A VM whose host was lost while the list was read may be shown there without its disks."""
    read = {A: Power.ON, B: Power.OFF, C: Power.ON}
    with_list = {A: Power.ON, B: Power.UNKNOWN}
    assert _of_one_moment(read, with_list) == {A: Power.ON, B: Power.UNKNOWN, C: Power.UNKNOWN}


def test_the_newer_power_counts_where_both_know_it() -> None:
    assert _of_one_moment({A: Power.OFF}, {A: Power.ON}) == {A: Power.OFF}


def test_storage_whose_list_has_no_powers_is_asked_for_them_alone() -> None:
    assert _of_one_moment({A: Power.OFF}, None) == {A: Power.OFF}
    assert _of_one_moment(None, {A: Power.OFF}) is None

"""Where a disk goes on a VM's controllers: pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.vsphere.inventory import Controller, Vm
from drivers.vsphere.slots import MAX_CONTROLLERS, free_slots, missing_controllers

units = st.frozensets(st.integers(0, 15))


def vm(*taken: frozenset[int], last: str = "", paravirtual: bool = True) -> Vm:
    controllers = tuple(Controller(1000 + bus, bus, paravirtual, each | {7}) for bus, each in enumerate(taken))
    return Vm("vm-1", "one", controllers=controllers, extra={"reberth.slot": last} if last else {})


def places(vm: Vm, per_controller: int = 15) -> list[str]:
    return [str(slot) for slot in free_slots(vm, per_controller)]


@given(st.lists(units, max_size=4), st.sampled_from([15, 64]))
def test_every_free_slot_is_offered_once_and_no_taken_one(taken: list[frozenset[int]], per_controller: int) -> None:
    slots = free_slots(vm(*taken), per_controller)
    expected = {
        (bus, unit) for bus, each in enumerate(taken) for unit in range(per_controller + 1) if unit not in each | {7}
    }
    assert {(slot.bus, slot.unit) for slot in slots} == expected
    assert len(slots) == len(expected)


def test_the_slot_after_the_last_one_given_out_comes_first_and_that_one_last() -> None:
    assert places(vm(frozenset({0}), last="0:5"))[0] == "0:6"
    assert places(vm(frozenset({0}), last="0:5"))[-1] == "0:5"
    assert places(vm(frozenset(), frozenset(), last="0:15"))[0] == "1:0"


def test_a_note_that_makes_no_sense_counts_as_none() -> None:
    assert places(vm(frozenset(), last="nonsense"))[0] == "0:0"
    assert places(vm(frozenset(), last="0:" + "9" * 5000))[0] == "0:0"


def test_only_paravirtual_controllers_are_used() -> None:
    assert places(vm(frozenset(), paravirtual=False)) == []


def test_no_controller_is_missing_while_there_is_room() -> None:
    assert missing_controllers(vm(frozenset({0})), 14, 15) == ()


def test_a_controller_is_added_for_each_fifteen_disks_more_on_buses_not_used() -> None:
    one = vm(frozenset({0}))
    assert missing_controllers(one, 15, 15) == (1,)
    assert missing_controllers(one, 29, 15) == (1,)
    assert missing_controllers(one, 30, 15) == (1, 2)


def test_a_vm_has_four_controllers_at_most() -> None:
    assert missing_controllers(vm(frozenset()), 1000, 15) == (1, 2, 3)
    assert missing_controllers(vm(*[frozenset(range(16))] * MAX_CONTROLLERS), 1, 15) == ()


def test_a_classic_controller_keeps_its_bus() -> None:
    assert missing_controllers(vm(frozenset(), paravirtual=False), 1, 15) == (1,)


def test_no_disk_goes_on_a_controller_that_several_vms_share() -> None:
    """Nothing is locked there: a second VM could open the disk."""
    alone, shared = Controller(1000, 0, True, frozenset({7})), Controller(1001, 1, True, frozenset({7}), shared=True)
    both = Vm("vm-1", "one", controllers=(shared, alone))
    assert {slot.bus for slot in free_slots(both, 15)} == {0}
    assert missing_controllers(Vm("vm-1", "one", controllers=(shared,)), 1, 15) == (0,)

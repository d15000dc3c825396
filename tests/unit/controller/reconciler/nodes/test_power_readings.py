"""What a power state is worth beside a gate's word."""

from __future__ import annotations

from controller.model import BootId, GateView, NodeId, Power, VmId
from controller.reconciler.nodes.power_readings import IN_FLIGHT, LISTEN, PowerJudge, Readings, of_one_moment

VM = VmId("vm1")
FRESH = 40.0


def said(age: float, boot: str = "b1") -> GateView:
    return GateView(NodeId("n1"), VM, BootId(boot), age)


def judge(
    by: PowerJudge, state: Power | None, at: float, view: GateView | None = None, lost: frozenset[VmId] = frozenset()
) -> Readings:
    """One look at ``at``, whose reading of the power took no time."""
    read = {} if state is None else {VM: state}
    return by.judge(read, {} if view is None else {VM: view}, lost, at, at)


def test_a_vm_whose_gate_was_heard_a_moment_ago_is_unknown_until_the_prodded_gate_was_silent_for_a_while() -> None:
    by = PowerJudge(FRESH)
    first = judge(by, Power.OFF, 100.0, said(5.0))
    assert first.power == {VM: Power.UNKNOWN}
    assert first.prod == {VM}
    assert first.again == LISTEN
    second = judge(by, Power.OFF, 100.0 + LISTEN, said(5.0 + LISTEN))
    assert second.power == {VM: Power.OFF}
    assert (second.prod, second.again) == (frozenset(), None)


def test_a_gate_that_is_silent_for_longer_than_its_word_counts_is_not_listened_for() -> None:
    assert judge(PowerJudge(FRESH), Power.OFF, 100.0, said(FRESH + 1)).power == {VM: Power.OFF}
    assert judge(PowerJudge(FRESH), Power.OFF, 100.0).power == {VM: Power.OFF}


def test_a_vm_that_swarm_misses_too_is_not_listened_for() -> None:
    assert judge(PowerJudge(FRESH), Power.OFF, 100.0, said(5.0), frozenset({VM})).power == {VM: Power.OFF}


def test_a_gate_that_goes_on_speaking_in_the_same_boot_contradicts_the_hypervisor_and_is_believed() -> None:
    by = PowerJudge(FRESH)
    judge(by, Power.OFF, 100.0, said(5.0))
    found = judge(by, Power.OFF, 101.0 + IN_FLIGHT, said(0.5))
    assert found.power == {VM: Power.UNKNOWN}
    assert found.gates == {VM: said(0.5)}
    assert "two VMs with one UUID" in found.alarms[0]
    assert judge(by, Power.OFF, 103.0 + IN_FLIGHT, said(2.5)).power == {VM: Power.UNKNOWN}


def test_a_word_that_was_under_way_when_the_vm_went_off_only_prolongs_the_listening() -> None:
    by = PowerJudge(FRESH)
    judge(by, Power.OFF, 100.0, said(5.0))
    heard = 100.4
    waiting = judge(by, Power.OFF, 100.6, said(100.6 - heard))
    assert waiting.power == {VM: Power.UNKNOWN}
    assert (waiting.gates, waiting.alarms, waiting.again) == ({}, (), LISTEN)
    assert judge(by, Power.OFF, 100.6 + LISTEN, said(100.6 + LISTEN - heard)).power == {VM: Power.OFF}


def test_a_word_in_another_boot_ends_the_time_in_which_it_was_off() -> None:
    by = PowerJudge(FRESH)
    judge(by, Power.OFF, 100.0, said(5.0))
    found = judge(by, Power.OFF, 130.0, said(10.0, "b2"))
    assert found.alarms == ()
    assert found.prod == {VM}
    assert judge(by, Power.OFF, 130.0 + LISTEN, said(10.0 + LISTEN, "b2")).power == {VM: Power.OFF}


def test_what_was_said_before_a_vm_was_off_is_no_word_of_its_any_more_also_when_it_is_on_again() -> None:
    by = PowerJudge(FRESH)
    judge(by, Power.OFF, 100.0, said(5.0))
    assert judge(by, Power.ON, 101.0, said(6.0)).gates == {}
    assert judge(by, None, 102.0, said(7.0)).gates == {}
    assert judge(by, Power.ON, 103.0, said(0.2, "b2")).gates == {VM: said(0.2, "b2")}


def test_a_vm_is_asked_for_from_when_it_was_off_until_it_is_seen_on() -> None:
    by = PowerJudge(FRESH)
    judge(by, Power.OFF, 100.0)
    assert judge(by, Power.UNKNOWN, 101.0).off == {VM}
    assert judge(by, Power.ON, 102.0).off == frozenset()


def test_powers_that_could_not_be_read_stay_unread_and_the_gates_words_count_as_before() -> None:
    by = PowerJudge(FRESH)
    judge(by, Power.OFF, 100.0, said(5.0))
    found = by.judge(None, {VM: said(6.0)}, frozenset(), 101.0, 101.0)
    assert found.power is None
    assert found.gates == {}


A, B, C = VmId("a"), VmId("b"), VmId("c")


def test_a_power_counts_only_where_the_answer_with_the_attachments_knew_it_too() -> None:
    """A VM whose host was lost while the list was read may be shown there without its disks."""
    read = {A: Power.ON, B: Power.OFF, C: Power.ON}
    with_list = {A: Power.ON, B: Power.UNKNOWN}
    assert of_one_moment(read, with_list) == {A: Power.ON, B: Power.UNKNOWN, C: Power.UNKNOWN}


def test_the_newer_power_counts_where_both_know_it() -> None:
    assert of_one_moment({A: Power.OFF}, {A: Power.ON}) == {A: Power.OFF}


def test_storage_whose_list_has_no_powers_is_asked_for_them_alone() -> None:
    assert of_one_moment({A: Power.OFF}, None) == {A: Power.OFF}
    assert of_one_moment(None, {A: Power.OFF}) is None

"""All faults by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.drill.errors import DrillError
from deploy.drill.faults.catalogue import FAULTS, make_fault, rounds
from deploy.drill.faults.leader import LeaderFreeze, LeaderKill
from deploy.drill.proxy.call_meaning import STOP_POINTS, Step, StopPoint, When
from deploy.drill.settings import DrillSettings


def test_every_fault_is_known_by_its_own_name_and_made_afresh() -> None:
    for name in FAULTS:
        assert make_fault(name).name == name
    assert make_fault("controller-kill") is not make_fault("controller-kill")


def test_an_unknown_fault_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DrillError, match=r"no fault 'flood'.*power-off"):
        make_fault("flood")


def test_a_fault_may_name_its_step() -> None:
    killed, frozen = make_fault("leader-kill:before:detach"), make_fault("leader-freeze:after:grant")

    assert isinstance(killed, LeaderKill)
    assert killed.stop_point == StopPoint(When.BEFORE, Step.DETACH)
    assert isinstance(frozen, LeaderFreeze)
    assert frozen.stop_point == StopPoint(When.AFTER, Step.GRANT)


def test_a_step_of_a_fault_that_has_none_is_refused() -> None:
    with pytest.raises(DrillError, match="--fault power-off has no steps"):
        make_fault("power-off:before:detach")


def test_whatever_shares_only_is_no_fault_and_each_fault_says_where_it_can_be_played() -> None:
    assert len(FAULTS) == 22
    assert {name: fault.labs for name, fault in FAULTS.items() if fault.labs != ("namespaces",)} == {
        "power-off": ("namespaces", "vms"),
        "drain": ("namespaces", "vms"),
        "restart": ("namespaces", "vms"),
        "dockerd-restart": ("namespaces", "vms"),
        "shutdown": ("vms",),
        "hang": ("vms",),
        "return": ("vms",),
    }


def test_all_steps_are_one_round_each() -> None:
    settings = DrillSettings(fault="leader-kill", all_steps=True)

    assert rounds(settings) == tuple(f"leader-kill:{each}" for each in STOP_POINTS)


def test_the_return_of_a_machine_is_told_in_two_rounds() -> None:
    settings = replace(DrillSettings(), fault="return", repeat=2)

    assert rounds(settings) == ("power-off", "return", "power-off", "return")

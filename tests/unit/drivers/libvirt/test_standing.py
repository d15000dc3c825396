"""Off is off: whether a VM's memory is gone for good."""

from __future__ import annotations

import pytest

from controller.model import Power, VmId
from drivers.libvirt.standing import Standing, powers, standing

ONE = VmId("one")


@pytest.mark.parametrize("reason", [1, 2, 3, 8])
def test_a_vm_whose_process_was_seen_to_end_is_off(reason: int) -> None:
    """Shut down, destroyed, crashed, killed by libvirtd."""
    assert standing(5, reason, image=False) is Standing.OFF
    assert standing(5, reason, image=True) is Standing.SAVED


@pytest.mark.parametrize("state", [0, 1, 2, 3, 4, 6, 7])
def test_paused_crashed_and_kept_ending_and_sleeping_vms_run(state: int) -> None:
    assert standing(state, 2, image=False) is Standing.RUNS


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (5, Standing.SAVED_TO_FILE),
        (4, Standing.MIGRATED),
        (7, Standing.REVERTED),
        (0, Standing.UNSURE),  # libvirtd was restarted
        (6, Standing.UNSURE),  # a start that failed says nothing of what was before it
        (99, Standing.UNSURE),
    ],
)
def test_any_other_reason_for_not_running_is_not_off(reason: int, expected: Standing) -> None:
    assert standing(5, reason, image=False) is expected


@pytest.mark.parametrize(
    ("stands", "power"),
    [
        (Standing.RUNS, Power.ON),
        (Standing.SAVED, Power.ON),
        (Standing.SAVED_TO_FILE, Power.ON),
        (Standing.OFF, Power.OFF),
        (Standing.MIGRATED, Power.UNKNOWN),
        (Standing.REVERTED, Power.UNKNOWN),
        (Standing.UNSURE, Power.UNKNOWN),
    ],
)
def test_what_goes_on_writing_when_it_is_resumed_is_on_and_only_off_is_off(stands: Standing, power: Power) -> None:
    assert powers([{ONE: stands}, {}], [ONE]) == {ONE: power}


def test_a_vm_that_is_off_on_one_host_is_unknown_while_another_host_does_not_answer() -> None:
    """It may have moved there and left its configuration behind."""
    assert powers([{ONE: Standing.OFF}, None], [ONE]) == {ONE: Power.UNKNOWN}
    assert powers([{ONE: Standing.OFF}, {}], [ONE]) == {ONE: Power.OFF}


def test_a_vm_that_runs_on_one_host_is_on_whatever_its_left_behind_configuration_says() -> None:
    assert powers([{ONE: Standing.OFF}, {ONE: Standing.RUNS}], [ONE]) == {ONE: Power.ON}
    assert powers([None, {ONE: Standing.RUNS}], [ONE]) == {ONE: Power.ON}


def test_a_vm_that_ended_here_and_moved_away_from_there_is_unknown() -> None:
    assert powers([{ONE: Standing.OFF}, {ONE: Standing.MIGRATED}], [ONE]) == {ONE: Power.UNKNOWN}


def test_a_vm_that_nobody_knows_is_unknown() -> None:
    assert powers([{}, {}], [ONE]) == {ONE: Power.UNKNOWN}

"""What would happen is what the planner itself says, step by step, until nothing is left to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import FencePolicy, MountState, Policy, Power, VolumeName, World
from controller.planner.actions import Alarm, Converged, Refuse, Wait, kind
from controller.planner.foresight.foresee import Step, foresee
from controller.planner.foresight.supposed import node_died, task_moved
from tests.support.worlds import CUTS, GUARDED, POLICY, V, claim, gate, grant, node, on, record, running, world

CUTTING = replace(POLICY, capabilities=CUTS)
HOLD = replace(CUTTING, fence=FencePolicy.HOLD)
NOW = world(on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[gate(1, MountState.MOUNTED, 1)])


def words(steps: tuple[Step, ...]) -> list[str]:
    return [kind(each.decision.action) for each in steps]


def dies(power: Power, policy: Policy = POLICY, now: World = NOW) -> tuple[Step, ...]:
    return foresee(node_died(now, node(1), power), policy, {V})


def test_a_settled_world_stays_as_it_is() -> None:
    assert words(foresee(NOW, POLICY, {V})) == ["converged"]


def test_a_vm_that_is_off_gives_its_disk_away_without_waiting_and_the_new_task_gets_its_mount() -> None:
    steps = dies(Power.OFF)
    assert words(steps) == ["drop-grants", "detach", "attach", "grant-mount", "converged"]
    assert {each.at for each in steps} == {0.0}
    assert [each.vm for each in steps[-1].world.attachments or ()] == ["vm2"]


def test_a_vm_that_runs_is_waited_for_and_then_fenced_as_the_driver_can() -> None:
    cut, off = dies(Power.ON, CUTTING), dies(Power.ON, POLICY)
    rest = ["detach", "drop-grants", "attach", "grant-mount", "converged"]
    assert words(cut) == ["revoke", "wait", *rest]
    assert [each.at for each in cut] == [0.0, 0.0, *[POLICY.grace] * 5]
    assert "fence" in words(off)
    assert words(off)[-1] == "converged"


@pytest.mark.parametrize(("power", "policy"), [(Power.UNKNOWN, CUTTING), (Power.ON, HOLD)])
def test_what_nothing_proves_ends_in_an_alarm_and_the_disk_stays(power: Power, policy: Policy) -> None:
    end = dies(power, policy)[-1]
    assert isinstance(end.decision.action, Alarm)
    assert "confirm-dead" in end.decision.action.cure
    assert end.world.attachments == NOW.attachments


def test_a_planned_move_asks_the_old_gate_and_needs_no_fence() -> None:
    steps = foresee(task_moved(NOW, V, node(3)), POLICY, {V})
    assert words(steps) == ["revoke", "drop-grants", "detach", "attach", "grant-mount", "converged"]
    assert [each.vm for each in steps[-1].world.attachments or ()] == ["vm3"]


def test_only_the_volumes_in_question_are_told() -> None:
    assert foresee(NOW, POLICY, {VolumeName("other")}) == ()


def test_a_pause_is_foreseen_as_one() -> None:
    (step,) = dies(Power.OFF, now=replace(NOW, paused="storage work"))
    assert isinstance(step.decision.action, Wait)
    assert "paused" in step.decision.action.why


def test_many_nodes_down_are_told_as_the_storm_that_they_would_be() -> None:
    now = replace(NOW, nodes={each.id: each for each in (node(1), node(2))}, gates={})
    end = dies(Power.ON, replace(POLICY, capabilities=GUARDED, max_down_fraction=0.3), now)[-1]
    assert isinstance(end.decision.action, Alarm | Wait | Refuse)
    assert not isinstance(end.decision.action, Converged)

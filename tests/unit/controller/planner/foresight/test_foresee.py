"""What would happen is what the planner itself says, step by step, until nothing is left to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    BootId,
    DiskId,
    Epoch,
    FencePolicy,
    MountState,
    NodeId,
    Policy,
    Power,
    Serial,
    TaskId,
    VolumeKey,
    VolumeName,
    World,
)
from controller.planner.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    CreateDisk,
    Detach,
    Fence,
    GrantMount,
    NewEpoch,
    Refuse,
    Revoke,
    Wait,
)
from controller.planner.foresight.foresee import Step, applied, foresee
from controller.planner.foresight.supposed import node_died, task_moved
from tests.support.worlds import (
    CUTS,
    DISK,
    GUARDED,
    POLICY,
    V,
    claim,
    gate,
    grant,
    node,
    on,
    record,
    running,
    said_of,
    twice,
    vm,
    world,
)

CUTTING = replace(POLICY, capabilities=CUTS)
HOLD = replace(CUTTING, fence=FencePolicy.HOLD)
NOW = world(on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[gate(1, MountState.MOUNTED, 1)])


def words(steps: tuple[Step, ...]) -> list[str]:
    return [each.decision.action.kind for each in steps]


def dies(power: Power, policy: Policy = POLICY, now: World = NOW) -> tuple[Step, ...]:
    return foresee(node_died(now, node(1), power), policy, {V})


def test_a_settled_world_stays_as_it_is() -> None:
    assert words(foresee(NOW, POLICY, {V})) == ["converged"]


def test_a_vm_that_is_off_gives_its_disk_away_without_waiting_and_the_new_task_gets_its_mount() -> None:
    steps = dies(Power.OFF)
    assert words(steps) == ["detach", "attach", "grant-mount", "converged"]
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
    assert words(steps) == ["revoke", "detach", "attach", "grant-mount", "converged"]
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


OTHER = VolumeName("other")
BESIDE = replace(
    NOW,
    volumes={
        **(NOW.volumes or {}),
        OTHER: replace(record(), name=OTHER, key=VolumeKey("other"), disk=DiskId("disk-other"), fs_uuid="other"),
    },
    claims={**(NOW.claims or {}), OTHER: replace(claim(None), volume=OTHER, tasks=())},
    attachments=(on(1), on(3, disk=DiskId("disk-other"))),
    power={vm(3): Power.ON},
)
GRANTED = GrantMount(V, TaskId("t2"), NodeId("n1"), vm(1), BootId("b1"), Serial(2), supersedes=(grant(1),))


@pytest.mark.parametrize(
    "action",
    [
        Revoke(V, "because"),
        Fence(V, vm(1), NodeId("n1"), "because"),
        Detach(V, DISK, vm(1), None, "because"),
        Attach(V, DISK, vm(2), "because"),
        replace(GRANTED, task=TaskId("t1")),
    ],
    ids=lambda action: action.kind,
)
def test_what_is_done_for_one_volume_leaves_the_others_as_they_are(action: Action) -> None:
    later = applied(BESIDE, action)
    assert (later.volumes or {})[OTHER] == (BESIDE.volumes or {})[OTHER]
    assert (later.claims or {})[OTHER] == (BESIDE.claims or {})[OTHER]
    assert (later.power or {})[vm(3)] is Power.ON
    assert on(3, disk=DiskId("disk-other")) in (later.attachments or ())


def test_a_mount_is_then_in_the_record_at_the_gate_and_in_swarm() -> None:
    tasks = tuple(replace(each, started=each.id == "t4") for each in twice(claim(1, "t2", "t3", "t4")).tasks)
    later = applied(world(on(1), volume=record(grant(1)), wanted=replace(claim(1), tasks=tasks)), GRANTED)
    assert (later.volumes or {})[V] == record(grant(1, "t2", 2))
    assert later.gates[vm(1)].volumes == {V: said_of(MountState.MOUNTED, 2, (2, 2))}
    assert [each.started for each in (later.claims or {})[V].tasks] == [True, False, True]


def test_a_grant_that_is_taken_back_is_let_go_by_a_gate_that_is_heard() -> None:
    later = applied(NOW, Revoke(V, "because"))
    assert (later.volumes or {})[V] == record(grant(1), serial=2)
    assert later.gates[vm(1)].volumes == {V: said_of(MountState.UNMOUNTED, 2)}


def test_a_new_epoch_is_the_next_one_and_what_takes_its_time_is_not_foreseen() -> None:
    assert applied(NOW, NewEpoch(V, "because")) == replace(NOW, epoch=Epoch(NOW.epoch + 1))
    assert applied(NOW, CreateDisk(V)) == NOW


def test_a_disk_that_is_attached_bears_the_present_epoch() -> None:
    assert applied(world(volume=record()), Attach(V, DISK, vm(2), "because")).attachments == (on(2),)


def test_what_stays_true_of_a_volume_is_told_once() -> None:
    steps = foresee(node_died(BESIDE, node(1), Power.OFF), POLICY, {V, OTHER})
    assert len([each for each in steps if each.decision.volume == V]) > 3
    assert len([each for each in steps if each.decision.volume == OTHER]) == 1

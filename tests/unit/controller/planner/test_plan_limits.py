"""Where the planner's limits are: the last that is allowed, and the first that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    DiskId,
    Epoch,
    MountState,
    NodeState,
    Policy,
    Power,
    TaskId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import Action, Alarm, Attach, Converged, Fence, GrantMount, Refuse, Wait
from controller.planner.plan import plan
from tests.support.worlds import GUARDED, POLICY, V, claim, gate, grant, node, on, record, running, vm, world

DOWN = NodeState.DOWN
REVOKED = record(grant(1), serial=2)
LONG = node(1, DOWN, down_for=60.0)


def act(w: World, policy: Policy = POLICY) -> Action:
    (decision,) = plan(w, policy)
    return decision.action


def many(*volumes: VolumeRecord, to: int = 1) -> World:
    """All these volumes, wanted on one node; those with a number in their disk's name are on that VM."""
    wanted = {each.name: replace(claim(to), volume=each.name) for each in volumes}
    return replace(world(), volumes={each.name: each for each in volumes}, claims=wanted)


def named(name: str) -> VolumeRecord:
    return replace(record(), name=VolumeName(name), key=VolumeKey(name), fs_uuid=name, disk=DiskId(f"disk-{name}"))


def room(disks: int) -> Policy:
    return replace(POLICY, capabilities=replace(GUARDED, max_disks_per_vm=disks))


def test_each_attach_of_a_plan_takes_one_place() -> None:
    """Beside a disk that is there already, two more have room under a limit of three, and the fourth has not."""
    w = replace(many(*map(named, ("b", "c", "d"))), attachments=(on(1, disk=DiskId("disk-a")),))

    assert [type(each.action) for each in plan(w, room(3))] == [Attach, Attach, Refuse]


def test_a_stamp_on_a_disk_that_is_there_takes_no_place() -> None:
    w = replace(many(named("a"), named("b")), attachments=(on(1, 6, disk=DiskId("disk-a")),))

    assert [type(each.action) for each in plan(w, room(2))] == [Attach, Attach]


@pytest.mark.parametrize(
    ("lost", "fenced"),
    [((1, 3), True), ((1, 3, 5), False)],
    ids=["half of the nodes", "more than half"],
)
def test_a_storm_is_more_than_the_fraction(lost: tuple[int, ...], fenced: bool) -> None:
    nodes = [node(each, DOWN, down_for=60.0) for each in lost] + [node(4)]
    power = {vm(each): Power.ON for each in lost}
    action = act(world(on(1), volume=REVOKED, wanted=claim(2, "t2"), nodes=nodes, power=power))

    assert isinstance(action, Fence if fenced else Alarm)


def test_nodes_seen_powered_off_are_explained_and_make_no_storm() -> None:
    """Three of five are down, but two of them are known to be off: it is no fault of ours."""
    nodes = [LONG, node(3, DOWN), node(4, DOWN), node(5)]
    power = {vm(1): Power.ON, vm(3): Power.OFF, vm(4): Power.OFF}
    w = world(on(1), volume=REVOKED, wanted=claim(2, "t2"), nodes=nodes, power=power)

    assert isinstance(act(w), Fence)
    assert isinstance(act(replace(w, power={vm(1): Power.ON, vm(3): Power.OFF})), Fence)
    assert isinstance(act(replace(w, power={vm(1): Power.ON})), Alarm)


def test_a_storm_names_five_of_its_nodes() -> None:
    nodes = [LONG, *(node(each, DOWN) for each in range(3, 9))]
    action = act(world(on(1), volume=REVOKED, wanted=claim(2, "t2"), nodes=nodes, power={vm(1): Power.ON}))

    assert isinstance(action, Alarm)
    assert "7 of 8 nodes" in action.why
    assert "(swarm01, swarm03, swarm04, swarm05, swarm06)" in action.why


def test_a_disk_without_a_stamp_is_stamped_by_the_first_leader_too() -> None:
    """No stamp is less than the first epoch."""
    w = replace(world(on(1, None), volume=record(), wanted=claim(1)), epoch=Epoch(1))

    assert isinstance(act(w), Attach)


def test_a_node_lost_this_moment_is_within_any_grace() -> None:
    w = world(on(1), volume=REVOKED, wanted=claim(2), nodes=[node(1, DOWN, down_for=None)], power={vm(1): Power.ON})

    assert isinstance(act(w, replace(POLICY, grace=0.5)), Wait)


def test_the_first_grant_of_a_volume_is_the_next_serial_also_without_a_word_of_the_gate() -> None:
    action = act(world(on(1), volume=record(), wanted=claim(1)))

    assert isinstance(action, GrantMount)
    assert action.serial == 1


def test_what_is_told_when_all_is_well() -> None:
    """Served, and unclaimed: both say where the disk is."""
    served = act(world(on(1), volume=record(grant(1)), wanted=running(claim(1))))
    idle, nowhere = act(world(on(1), volume=record())), act(world(volume=record()))

    assert served == Converged(V, "Volume data is on node swarm01 (VM vm1), where its task runs.")
    assert idle == Converged(V, "No task wants volume data; its disk stays on node swarm01 (VM vm1).")
    assert nowhere == Converged(V, "No task wants volume data; its disk stays on no VM.")


@pytest.mark.parametrize(("state", "what"), [(None, "may be mounted"), (MountState.MOUNTED, "is mounted")])
def test_what_is_granted_or_mounted_does_not_run_yet(state: MountState | None, what: str) -> None:
    """An image that cannot be pulled, a port that is taken: the volume is ready, its service is not."""
    said = [] if state is None else [gate(1, state, 1)]
    action = act(world(on(1), volume=record(grant(1)), wanted=claim(1), gates=said))

    assert isinstance(action, Converged)
    assert action.starting
    assert f"{what} on node swarm01 (VM vm1), and Docker has not started the container of service db yet" in action.why
    assert "`docker service ps --no-trunc db` says why" in action.why


@pytest.mark.parametrize("age", [0.0, 6.0], ids=["heard since", "heard before it ran"])
def test_a_task_that_runs_while_its_gate_has_nothing_mounted_is_an_alarm_once_the_gate_was_heard(age: float) -> None:
    """It writes to a local volume of the same name. A gate's word from before the container ran says nothing."""
    w = world(
        on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[gate(1, age=age)], running={TaskId("t1"): 8.0}
    )
    action = act(w)

    assert isinstance(action, Alarm if age == 0.0 else Converged)
    if isinstance(action, Alarm):
        assert "task t1 of service db runs on node swarm01, but the gate there has not mounted the volume" in action.why
        assert "On node swarm01, `docker volume inspect data`: if its driver is local" in action.cure


def test_what_could_not_be_read_is_named_also_without_a_reason() -> None:
    assert act(replace(world(volume=record()), nodes=None)) == Wait(
        V, "Waiting, because Swarm's nodes could not be read."
    )

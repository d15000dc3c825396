"""A World after something that did not happen: what a look would read then, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Claim, NodeId, NodeState, Power, VolumeName, World
from controller.planner.foresight.supposed import (
    concerned,
    named,
    next_node,
    node_died,
    node_drained,
    started_on,
    task_moved,
)
from tests.support.worlds import V, claim, gate, grant, node, on, record, running, vm, world

NOW = world(on(1), volume=record(grant(1)), wanted=running(claim(1)))
OTHER = VolumeName("other")


def with_other(n: int, now: World = NOW) -> World:
    """One more volume, which a task on that node wants."""
    return replace(now, claims={**(now.claims or {}), OTHER: replace(claim(n, "o1"), volume=OTHER)})


def claims(found: World) -> dict[VolumeName, Claim]:
    assert found.claims is not None
    return dict(found.claims)


def test_a_dead_node_is_down_silent_and_its_task_starts_elsewhere() -> None:
    found = node_died(NOW, node(1), Power.UNKNOWN)
    assert found.nodes is not None
    assert found.claims is not None
    assert (found.nodes[NodeId("n1")].state, found.nodes[NodeId("n1")].down_for) == (NodeState.DOWN, 0.0)
    assert found.nodes[NodeId("n2")] == node(2)
    assert found.power == {vm(1): Power.UNKNOWN}
    assert set(found.gates) == {vm(2), vm(3)}
    moved = found.claims[V]
    assert (moved.node, [each.started for each in moved.tasks]) == ("n2", [False])
    assert moved.tasks[0].id != "t1"
    assert (found.volumes, found.attachments) == (NOW.volumes, NOW.attachments)


def test_a_task_starts_where_the_fewest_disks_are_of_the_nodes_that_may_have_it() -> None:
    crowded = world(on(1), on(2, disk="other"), wanted=claim(1))
    assert next_node(crowded, claim(9)) == node(3)
    away = [node(2, available=False), node(3, labelled=True), node(1, NodeState.DOWN)]
    assert next_node(world(nodes=away), claim(9)) is None


@pytest.mark.parametrize(
    ("constraint", "found"),
    [
        ("node.hostname==swarm03", "n3"),
        ("node.hostname!=swarm01", "n2"),
        ("node.id==n3", "n3"),
        ("node.role==manager", None),
        ("node.role!=manager", "n1"),
        ("node.labels.disk==ssd", "n1"),
    ],
)
def test_constraints_on_name_id_and_role_are_kept(constraint: str, found: str | None) -> None:
    wanted = claim(9)
    wanted = replace(wanted, tasks=tuple(replace(each, constraints=(constraint,)) for each in wanted.tasks))
    node_found = next_node(world(), wanted)
    assert (None if node_found is None else node_found.id) == found


def test_a_task_that_no_node_may_have_is_wanted_nowhere() -> None:
    pinned = claim(1)
    pinned = replace(pinned, tasks=tuple(replace(t, constraints=("node.hostname==swarm01",)) for t in pinned.tasks))
    found = node_died(world(on(1), volume=record(), wanted=pinned), node(1), Power.OFF)
    assert found.claims is not None
    assert (found.claims[V].node, found.claims[V].tasks[0].node) == (None, None)


def test_a_move_changes_the_claim_alone() -> None:
    found = task_moved(NOW, V, node(3))
    assert found.claims is not None
    assert found.claims[V].node == "n3"
    assert replace(found, claims=NOW.claims) == NOW


def test_volumes_are_concerned_by_disk_permission_or_task() -> None:
    for place in (
        world(on(1), volume=record()),
        world(volume=record(grant(1))),
        world(volume=record(), wanted=claim(1)),
    ):
        assert concerned(place, node(1)) == {V}
        assert concerned(place, node(2)) == frozenset()


def test_a_node_is_found_by_each_of_its_names_and_the_ready_one_first() -> None:
    old = replace(node(2, NodeState.DOWN), id=NodeId("n0"), hostname="swarm01")
    place = world(nodes=[old, node(1)], gates=[gate(1)])
    assert named(place, "swarm01") == node(1)
    assert named(place, "n3") == named(place, "vm3") == node(3)
    assert named(place, "nobody") is None


def test_a_drained_node_takes_no_tasks_any_more_and_its_own_start_elsewhere() -> None:
    found = node_drained(NOW, node(1))
    assert found.nodes == {**(NOW.nodes or {}), NodeId("n1"): node(1, available=False)}
    assert claims(found)[V].node == "n2"
    assert replace(found, nodes=NOW.nodes, claims=NOW.claims) == NOW


def test_tasks_of_a_dead_node_are_spread_over_those_that_are_left() -> None:
    found = claims(node_died(with_other(1), node(1), Power.OFF))
    assert {found[V].node, found[OTHER].node} == {"n2", "n3"}


def test_what_is_read_of_other_machines_and_volumes_stays_when_a_node_dies_or_a_task_moves() -> None:
    now = with_other(3, replace(NOW, power={vm(3): Power.ON}))
    died = node_died(now, node(1), Power.OFF)
    assert died.power == {vm(3): Power.ON, vm(1): Power.OFF}
    assert claims(died)[OTHER] == claims(now)[OTHER]
    assert claims(task_moved(now, V, node(2)))[OTHER] == claims(now)[OTHER]


def test_of_a_node_that_never_told_its_vm_no_power_is_supposed() -> None:
    assert node_died(NOW, node(1, vm=None), Power.OFF).power == {}


def test_a_volume_that_nobody_wants_moves_nowhere() -> None:
    assert task_moved(world(volume=record()), V, node(3)).claims == {}


def test_a_task_that_starts_again_is_a_new_one_on_that_node() -> None:
    before = running(claim(1))
    before = replace(before, tasks=tuple(replace(each, created="then") for each in before.tasks))
    after = claim(3, "t1-again")
    assert started_on(before, node(3)) == after


def test_a_task_for_managers_starts_on_one() -> None:
    wanted = claim(9)
    wanted = replace(wanted, tasks=tuple(replace(t, constraints=("node.role==manager",)) for t in wanted.tasks))
    assert next_node(world(nodes=[node(3, manager=True)]), wanted) == node(3, manager=True)

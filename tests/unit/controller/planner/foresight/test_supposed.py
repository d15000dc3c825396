"""A World after something that did not happen: what a look would read then, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import NodeId, NodeState, Power
from controller.planner.foresight.supposed import concerned, named, next_node, node_died, task_moved
from tests.support.worlds import V, claim, gate, grant, node, on, record, running, vm, world

NOW = world(on(1), volume=record(grant(1)), wanted=running(claim(1)))


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

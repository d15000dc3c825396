"""Which nodes bear the label of the dead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, Node, NodeId, NodeState, Policy, Power, World
from controller.planner.node_labels import LabelChange, unconstrained
from tests.support.plans import labels
from tests.support.worlds import POLICY, V, claim, gate, node, vm, world

OFF = {vm(1): Power.OFF}


def changes(found: World, policy: Policy = POLICY) -> list[tuple[NodeId, bool]]:
    return [(each.node, each.put) for each in labels(found, policy)]


def labelled(state: NodeState = NodeState.READY, **more: object) -> Node:
    return node(1, state, labelled=True, **more)


def dead(**more: object) -> World:
    return world(**{"power": OFF, "gates": [], **more})  # type: ignore[arg-type]


def test_a_node_that_swarm_calls_ready_gets_the_label_when_its_vm_is_seen_off() -> None:
    (change,) = labels(dead())
    assert (change.node, change.put, change.hostname) == (NodeId("n1"), True, "swarm01")
    assert "powered off" in change.why


@pytest.mark.parametrize("power", [Power.ON, Power.UNKNOWN, None])
def test_nothing_but_off_is_off(power: Power | None) -> None:
    read = {} if power is None else {vm(1): power}
    assert changes(world(nodes=[node(1, NodeState.DOWN)], power=read)) == []


def test_powers_and_nodes_that_could_not_be_read_change_nothing() -> None:
    assert changes(dead(power=None)) == []
    assert changes(replace(dead(), nodes=None)) == []


def test_where_the_hypervisor_cannot_be_asked_a_gate_that_speaks_is_sign_enough_of_life() -> None:
    assert changes(world(nodes=[labelled()], power=None)) == [(NodeId("n1"), False)]


def test_while_a_person_has_paused_the_controller_no_label_is_changed() -> None:
    assert changes(dead(paused="maintenance")) == []
    assert changes(world(nodes=[labelled()], power={vm(1): Power.ON}, paused="maintenance")) == []


def test_without_a_name_for_the_label_none_is_set() -> None:
    assert changes(dead(), replace(POLICY, node_label="")) == []


def test_swarms_enforcer_looks_at_active_nodes_only_so_others_get_none() -> None:
    assert changes(dead(nodes=[node(1, available=False)])) == []


def test_of_two_ready_nodes_that_report_one_vm_none_is_labelled() -> None:
    assert changes(dead(nodes=[node(2, vm=vm(1), boot=BootId("b1"))])) == []


def test_the_id_that_a_node_left_behind_when_it_joined_anew_is_not_labelled() -> None:
    old = replace(node(1, NodeState.DOWN), id=NodeId("n1-old"))
    assert changes(dead(nodes=[old])) == [(NodeId("n1"), True)]


def test_more_nodes_gone_at_once_than_the_storm_guard_allows_means_no_new_label() -> None:
    two = {**OFF, vm(2): Power.OFF}
    assert changes(dead(power=two)) == []
    assert changes(dead(nodes=[node(2, NodeState.DOWN, labelled=True)])) == []
    silent = world(nodes=[node(2, NodeState.UNKNOWN)], gates=[gate(2, age=50.0)], power=OFF)
    assert changes(silent) == []


def test_as_many_nodes_gone_as_the_storm_guard_allows_are_labelled_also_beside_one_that_never_told_its_vm() -> None:
    third = replace(POLICY, max_down_fraction=1 / 3)
    assert changes(dead(), third) == [(NodeId("n1"), True)]
    assert changes(dead(nodes=[node(3, vm=None)]), third) == [(NodeId("n1"), True)]


def test_after_a_change_of_swarms_leader_nodes_that_are_unknown_to_it_but_speak_are_not_gone() -> None:
    unsure = [node(n, NodeState.UNKNOWN) for n in (1, 2, 3)]
    assert changes(world(nodes=unsure, gates=[gate(1, age=50.0)], power=OFF)) == [(NodeId("n1"), True)]


def test_a_label_that_is_there_is_not_put_again() -> None:
    assert changes(dead(nodes=[labelled()])) == []


def test_a_ready_node_whose_gate_speaks_in_its_present_boot_loses_the_label_whoever_put_it() -> None:
    found = world(nodes=[labelled()], power={vm(1): Power.ON})
    (change,) = labels(found)
    assert change == LabelChange(NodeId("n1"), "swarm01", put=False, why="the node is ready again")
    assert changes(replace(found, power={})) == [(NodeId("n1"), False)]
    drained = world(nodes=[labelled(available=False)], power={vm(1): Power.ON})
    assert changes(drained) == [(NodeId("n1"), False)]


@pytest.mark.parametrize(
    "found",
    [
        world(nodes=[labelled(NodeState.DOWN)], power={vm(1): Power.ON}),
        world(nodes=[labelled()], power=OFF),
        world(nodes=[labelled()], gates=[gate(1, age=41.0)], power={vm(1): Power.ON}),
        world(nodes=[labelled()], gates=[gate(1, boot=BootId("b0"))], power={vm(1): Power.ON}),
        world(nodes=[labelled()], gates=[gate(1, node=NodeId("n9"))], power={vm(1): Power.ON}),
        world(nodes=[labelled(vm=None)], power={}),
    ],
    ids=["not ready", "off", "silent", "an old boot", "another node's gate", "no VM known"],
)
def test_the_label_stays_until_all_signs_say_that_the_node_lives(found: World) -> None:
    assert changes(found) == []


def test_a_service_that_does_not_forbid_the_label_is_named_with_the_cure() -> None:
    (told,) = unconstrained(world(wanted=claim(1)), POLICY, V)
    assert told.startswith("Service db starts elsewhere only when Swarm has missed")
    assert "node.labels.reberth != down" in told


def test_a_service_that_forbids_it_is_not_named_nor_is_any_where_there_is_no_label() -> None:
    wanted = claim(1)
    forbids = replace(wanted, tasks=tuple(replace(t, constraints=("node.labels.reberth!=down",)) for t in wanted.tasks))
    assert list(unconstrained(world(wanted=forbids), POLICY, V)) == []
    assert list(unconstrained(world(wanted=wanted), replace(POLICY, node_label=""), V)) == []
    assert list(unconstrained(world(), POLICY, V)) == []

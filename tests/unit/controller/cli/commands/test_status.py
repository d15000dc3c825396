"""Filters leave what was asked for, and of the swarm everything."""

from __future__ import annotations

from controller.cli.commands.status import kept
from controller.protocol.views import NodeLine, StatusView, VolumeLine

LINES = (
    VolumeLine("a", "n1", "vm1", "ok", ""),
    VolumeLine("b", "n2", "vm2", "ALARM", ""),
    VolumeLine("c", "n1, n3", "vm1, vm3", "ALARM", ""),
)
FOUND = StatusView(1, "n1", None, 0.0, LINES, (NodeLine("n1", "i", "ready", "vm1", "running", None),))


def names(states: frozenset[str] = frozenset(), node: str = "") -> list[str]:
    found = kept(FOUND, states, node)
    assert found.nodes == FOUND.nodes
    return [each.volume for each in found.volumes]


def test_without_a_filter_all_stay() -> None:
    assert names() == ["a", "b", "c"]


def test_states_add_up_and_are_told_in_small_letters() -> None:
    assert names(frozenset({"alarm"})) == ["b", "c"]
    assert names(frozenset({"alarm", "ok"})) == ["a", "b", "c"]


def test_a_disk_on_several_nodes_is_found_under_each_and_under_no_part_of_a_name() -> None:
    assert names(node="n3") == ["c"]
    assert names(frozenset({"alarm"}), "n1") == ["c"]
    assert names(node="n") == []

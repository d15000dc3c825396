"""Since when a gate could have been heard."""

from __future__ import annotations

from dataclasses import replace

from controller.model import BootId, Node, NodeId, NodeState, VmId
from controller.reconciler.nodes.awaited import LONG, Awaited

A, VM = NodeId("a"), VmId("vm-a")
NODE = Node(A, "host-a", NodeState.READY, vm=VM, boot=BootId("one"))


def test_a_gate_is_awaited_since_we_listen_and_since_its_machine_was_first_seen_in_this_boot() -> None:
    awaited = Awaited()
    assert awaited.of({A: NODE}, 0.0, 10.0) == {VM: 0.0}
    assert awaited.of({A: NODE}, 0.0, 50.0) == {VM: 40.0}
    assert awaited.of({A: NODE}, 45.0, 50.0) == {VM: 5.0}, "what was heard before this term is forgotten"
    assert awaited.of({A: replace(NODE, boot=BootId("two"))}, 0.0, 60.0) == {VM: 0.0}, "it started again"


def test_while_nodes_cannot_be_read_time_goes_on_and_what_is_long_ago_is_not_told() -> None:
    awaited, nodes = Awaited(), {A: NODE}
    awaited.of(nodes, 0.0, 10.0)
    assert awaited.of(None, 0.0, 30.0) == {VM: 20.0}
    assert awaited.of(nodes, 0.0, 10.0 + LONG) == {}

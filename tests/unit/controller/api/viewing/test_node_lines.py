from __future__ import annotations

from dataclasses import replace

import pytest

from controller.api.viewing.node_lines import node_line
from controller.model import BootId, GateView, Node, NodeId, NodeState
from controller.reconciler.state import LoopState
from tests.support.worlds import gate, node, world

DOWN = node(1, NodeState.DOWN, down_for=31.0)
SPEAKS = gate(1, age=24.0)


def concerns(about: Node, view: GateView) -> tuple[str, ...]:
    seen = world(nodes=[about], gates=[view])
    return node_line(LoopState(lambda: 0.0), seen, about).concerns


def test_a_node_that_swarm_calls_down_for_long_although_its_gate_speaks_is_told_with_what_to_do() -> None:
    (told,) = concerns(DOWN, SPEAKS)

    assert told.startswith("Swarm calls it down for 31 s, but its gate spoke 24 s ago: restart Docker there")


@pytest.mark.parametrize(
    ("about", "view"),
    [
        (replace(DOWN, down_for=29.0), SPEAKS),
        (node(1), SPEAKS),
        (DOWN, replace(SPEAKS, age=26.0)),
        (DOWN, replace(SPEAKS, boot=BootId("b0"))),
        (DOWN, replace(SPEAKS, node=NodeId("n2"))),
    ],
    ids=["it comes back", "it is ready", "the gate is silent", "another boot's gate", "another node of that VM"],
)
def test_nothing_is_told_of_one_that(about: Node, view: GateView) -> None:
    assert concerns(about, view) == ()

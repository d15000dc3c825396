"""How long a node has been missed, and by whom, where that begins the grace of a fence."""

from __future__ import annotations

from dataclasses import replace

from controller.model import FencePolicy, NodeState, Spec
from controller.planner.actions import Fence, Wait
from controller.planner.context import index_world
from controller.planner.placement import Placement
from controller.planner.plan import decide
from controller.planner.remedies import remedy
from controller.planner.rules import RULES
from tests.support.planner_rows_silent import missed
from tests.support.plans import MOVED, ON, act
from tests.support.worlds import POLICY, claim, gate, grant, node, on, record, vm, world

GONE = node(1, NodeState.DOWN, down_for=20.0, silent_for=25.0)
SLOW = replace(POLICY, grace=22.0)


def held(policy: FencePolicy) -> object:
    volume = record(grant(1), spec=Spec(1 << 30, policy=policy), serial=2)
    return act(world(on(1), volume=volume, wanted=MOVED, nodes=[GONE], gates=[gate(1, age=90.0)], power=ON), SLOW)


def test_the_grace_of_a_node_that_swarm_misses_too_began_when_we_missed_it() -> None:
    """Where the power-off was chosen: for other policies nothing counts that we alone have missed."""
    assert isinstance(held(FencePolicy.POWER_OFF), Fence)
    assert isinstance(held(FencePolicy.DETACH), Wait)


def test_a_cluster_wide_power_off_counts_as_chosen() -> None:
    chosen = replace(POLICY, fence=FencePolicy.POWER_OFF)
    assert isinstance(act(missed(volume=record(grant(1))), chosen), Fence)


def test_without_the_label_swarm_is_not_faster_told_so_nothing_is_forced() -> None:
    assert not isinstance(act(missed(), replace(POLICY, node_label="")), Fence)


def test_nobody_is_asked_to_mend_a_gate_that_nobody_could_have_heard_yet() -> None:
    """A drill typed what `explain` named a moment after a power cut of all machines, and drained a healthy node."""
    for seconds, mends in ((0.0, False), (POLICY.gate_fresh - 1, False), (POLICY.gate_fresh, True)):
        waiting = world(on(1), volume=record(), wanted=claim(1), gates=[gate(1, age=41.0)], awaited={vm(1): seconds})
        decision = decide(index_world(waiting, POLICY, RULES))[0]
        assert decision.placement is Placement.TARGET_SILENT
        assert ("`docker node update" in remedy(decision, waiting, POLICY)) is mends

"""What a placement promised is looked for again before anything rests on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, Evidence, FencePolicy, GateView, MountState, Node, NodeId, NodeState, Policy, Power
from controller.planner.actions import Action, Fence, Wait, reason
from controller.planner.context import index_world, volume_context
from controller.planner.plan import plan
from controller.planner.rules import RULES
from controller.planner.takeover import LOOK_AGAIN, disk_of, with_evidence
from tests.support.worlds import POLICY, V, claim, gate, grant, node, on, record, vm, world


def test_without_the_evidence_that_was_promised_nothing_is_done_and_it_is_looked_at_again() -> None:
    def act(proof: Evidence) -> Action:
        pytest.fail(f"acted on {proof}")

    ctx = volume_context(index_world(world(on(1), volume=record()), POLICY, RULES), V)

    assert with_evidence(ctx, None, act) == Wait(
        V, "Volume data: no evidence about its old holder (node swarm01 (VM vm1)) yet.", LOOK_AGAIN
    )


def test_a_disk_that_was_promised_and_is_not_recorded_is_named_as_missing() -> None:
    ctx = volume_context(index_world(world(volume=record(disk=None)), POLICY, RULES), V)

    with pytest.raises(LookupError, match="volume data has no disk"):
        disk_of(ctx)


BACK = node(1, NodeState.DOWN, down_for=20.0)
SPOKE = gate(1, MountState.MOUNTED, 1, age=4.0)


def held(policy: Policy, down: Node = BACK, spoke: GateView = SPOKE) -> Action:
    """A node that Swarm calls down, of which another node should get the volume."""
    revoked = record(grant(1), serial=2)
    w = world(on(1), volume=revoked, wanted=claim(2, "t2"), nodes=[down], gates=[spoke], power={vm(1): Power.ON})
    (decision,) = plan(w, policy)
    return decision.action


@pytest.mark.parametrize("fence", [FencePolicy.DETACH, FencePolicy.POWER_OFF])
def test_a_node_whose_gate_spoke_after_swarm_had_missed_it_is_given_time_to_be_heard_by_swarm(
    fence: FencePolicy,
) -> None:
    found = held(replace(POLICY, fence=fence))

    assert isinstance(found, Wait)
    assert (found.until, found.counting) == (10.0, True)
    assert reason(found) == (
        "Volume data may be mounted on node swarm01 (VM vm1), which Swarm calls down, but its gate was heard since: "
        "the node lives. Waiting for Swarm to hear it, too; if it does not, the fence policy "
        f"'{fence.value}' acts, in 10 s."
    )


@pytest.mark.parametrize(
    ("down", "spoke"),
    [
        (replace(BACK, down_for=30.0), SPOKE),
        (BACK, replace(SPOKE, age=10.0)),
        (replace(BACK, down_for=12.0), replace(SPOKE, age=12.0)),
        (BACK, replace(SPOKE, boot=BootId("b9"))),
        (BACK, replace(SPOKE, node=NodeId("n9"))),
    ],
    ids=["Swarm misses it for long", "silent again", "heard before", "another boot", "another node's word"],
)
def test_a_node_that_swarm_calls_down_is_fenced_where_its_gate_does_not_speak_or_does_so_in_vain(
    down: Node, spoke: GateView
) -> None:
    assert isinstance(held(POLICY, down, spoke), Fence)


def test_a_grace_that_is_longer_than_the_time_for_swarm_is_not_made_longer_by_it() -> None:
    slow = replace(POLICY, grace=50.0)

    assert isinstance(held(slow, replace(BACK, down_for=49.0)), Wait)
    assert isinstance(held(slow, replace(BACK, down_for=50.0)), Fence)

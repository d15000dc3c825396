"""Who is to act: each situation, and what the rule says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Epoch, NodeId
from controller.records.base import Leadership
from controller.records.leadership_rule import Beat, Follow, Take, Timing, View, step

ME, OTHER = NodeId("n1"), NodeId("n2")
TIMING = Timing()


def held(by: NodeId, epoch: int = 5) -> Leadership:
    return Leadership(Epoch(epoch), by, f"{by}:7490", version=1)


CALM = View(me=ME, swarm_leader=ME, record=held(OTHER), stood_still=0.0, mine=None, uptime=1000.0)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (replace(CALM, record=None), Take),
        (replace(CALM, record=None, swarm_leader=OTHER), Follow),
        (replace(CALM, record=None, swarm_leader=OTHER, stood_still=15.0), Take),
        (replace(CALM, record=held(ME), mine=Epoch(5)), Beat),
        (replace(CALM, record=held(ME), mine=Epoch(5), swarm_leader=OTHER), Beat),
        (replace(CALM, record=held(ME), mine=Epoch(5), stood_still=60.0), Beat),
        (replace(CALM, record=held(ME), swarm_leader=OTHER), Take),
        (replace(CALM, record=held(ME), mine=Epoch(4)), Follow),
        (replace(CALM, record=held(ME), mine=Epoch(4), stood_still=15.0), Take),
        (CALM, Take),
        (replace(CALM, uptime=29.0), Follow),
        (replace(CALM, uptime=29.0, stood_still=15.0), Take),
        (replace(CALM, uptime=0.0, away=True), Take),
        (replace(CALM, swarm_leader=OTHER, away=True), Follow),
        (replace(CALM, record=held(ME), mine=Epoch(4), away=True), Follow),
        (replace(CALM, swarm_leader=OTHER), Follow),
        (replace(CALM, swarm_leader=None), Follow),
        (replace(CALM, swarm_leader=OTHER, stood_still=14.9), Follow),
        (replace(CALM, swarm_leader=OTHER, stood_still=15.0), Take),
    ],
    ids=[
        "first, on swarm's leader: take",
        "first, elsewhere: follow",
        "first, and nobody takes it: take",
        "ours: beat",
        "ours, though swarm's leader is another: beat",
        "ours, after a long stall: beat",
        "of this node's process before: take",
        "of another process on this node: follow",
        "of another process on this node that shows no life: take",
        "on swarm's leader, held elsewhere: take",
        "on swarm's leader, just started: follow",
        "on swarm's leader, just started, holder shows no life: take",
        "on swarm's leader, just started, holder's manager away: take",
        "not on swarm's leader, holder's manager away: follow",
        "of another process on this node, as if away: follow",
        "held elsewhere: follow",
        "no swarm leader: follow",
        "holder still for less than the patience: follow",
        "holder shows no life: take",
    ],
)
def test_the_rule(view: View, expected: type) -> None:
    assert type(step(view, TIMING)) is expected

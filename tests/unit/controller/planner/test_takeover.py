"""What a placement promised is looked for again before anything rests on it."""

from __future__ import annotations

import pytest

from controller.model import Evidence
from controller.planner.actions import Action, Wait
from controller.planner.context import index_world, volume_context
from controller.planner.rules import RULES
from controller.planner.takeover import LOOK_AGAIN, disk_of, with_evidence
from tests.support.worlds import POLICY, V, on, record, world


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

"""Epochs that come from a time which the records do not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, Epoch, GateView, GateVolume, Intent, MountState, NodeId, Operation, Serial, World
from controller.records.epochs import MOST_AHEAD, above_ours, absurd
from tests.support.worlds import EPOCH, V, grant, on, record, vm, world

LATER = Epoch(EPOCH + 16)

FROM_GATE = GateView(
    NodeId("n1"), vm(1), BootId("b1"), 1.0, {V: GateVolume(V, MountState.UNMOUNTED, Serial(1), epoch=LATER)}
)


@pytest.mark.parametrize(
    ("seen", "met"),
    [
        (world(on(1), volume=record(grant(1))), None),
        (world(on(1, LATER), volume=record()), LATER),
        (world(volume=record(replace(grant(1), epoch=LATER))), LATER),
        (world(volume=record(intent=Intent(Operation.DETACH, LATER, vm(1)))), LATER),
        (replace(world(volume=record()), gates={vm(1): FROM_GATE}), LATER),
        (world(on(1, LATER), on(2, Epoch(EPOCH + 2)), volume=record()), LATER),
    ],
    ids=["none", "stamp", "grant", "intent", "gate", "the highest"],
)
def test_an_epoch_above_ours_is_met_wherever_one_is_kept(seen: World, met: Epoch | None) -> None:
    assert above_ours(seen) == met


def test_the_number_of_a_lost_leader_is_not_used_again() -> None:
    """A backup of epoch 6 is brought back, and we take 7: so did somebody before the swarm was lost."""
    for seen in (world(on(1)), world(volume=record(grant(1)))):
        assert above_ours(seen, unused=True) == EPOCH
        assert above_ours(seen) is None
    assert above_ours(world(on(1, EPOCH - 1)), unused=True) is None
    assert above_ours(world(), unused=True) is None


def test_an_epoch_that_no_leader_can_have_had_is_not_followed() -> None:
    """A gate that lies must not use up the numbers there are."""
    lie = Epoch(EPOCH + MOST_AHEAD + 1)
    seen = world(on(1, lie), on(2, LATER), volume=record())

    (told,) = absurd(seen)
    assert above_ours(seen) == LATER
    assert told.startswith(f"the storage's stamp on VM vm1 bears epoch {lie}, and this controller's is {EPOCH}")
    assert absurd(world(on(2, LATER), volume=record())) == ()

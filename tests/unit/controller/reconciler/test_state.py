"""What the loop knows between two looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Epoch, Intent, Operation, VolumeName, VolumeRecord
from controller.reconciler.state import LoopState
from tests.support.worlds import EPOCH, V, record, vm, world

W = VolumeName("web")
OPEN = Intent(Operation.ATTACH, EPOCH, vm(1))


def doubtful(state: LoopState, *volumes: VolumeRecord, epoch: Epoch = EPOCH) -> set[VolumeName]:
    """The volumes whose intent is in doubt in a world with these records."""
    w = replace(world(), volumes={each.name: each for each in volumes}, epoch=epoch)
    seen = (state.with_doubts(w).volumes or {}).values()
    return {each.name for each in seen if each.intent is not None and each.intent.in_doubt}


def test_a_doubt_stays_when_that_of_another_volume_comes_after_it() -> None:
    """Two calls without an answer together are the usual case when a vCenter hangs."""
    state, web = LoopState(lambda: 0.0), replace(record(intent=OPEN), name=W)
    state.doubt(V, EPOCH)
    state.doubt(W, EPOCH)

    assert doubtful(state, record(intent=OPEN), web) == {V, W}


@pytest.mark.parametrize(
    "other", [None, replace(OPEN, epoch=Epoch(EPOCH - 1))], ids=["no intent", "of an older leader"]
)
def test_a_doubt_is_about_the_intent_of_its_own_epoch(other: Intent | None) -> None:
    state = LoopState(lambda: 0.0)
    state.doubt(V, EPOCH)

    assert doubtful(state, record(intent=other)) == set()


def test_a_doubt_ends_with_a_newer_epoch_and_not_before() -> None:
    """Under a newer epoch the intent is an earlier one, which is open until the storage agrees."""
    state = LoopState(lambda: 0.0)
    state.doubt(V, EPOCH)
    later = Epoch(EPOCH + 1)

    assert doubtful(state, record(intent=replace(OPEN, epoch=later)), epoch=later) == set()
    state.forget()  # we did not act for a while, and nobody else did
    assert doubtful(state, record(intent=OPEN)) == {V}


def test_a_doubt_of_a_newer_epoch_replaces_those_of_older_ones() -> None:
    state, later = LoopState(lambda: 0.0), Epoch(EPOCH + 1)
    state.doubt(V, EPOCH)
    state.doubt(W, later)

    assert doubtful(state, record(intent=OPEN)) == set()

"""Each situation that holds a volume is told in a sentence that is right, with what a person can do about it."""

from __future__ import annotations

import pytest

from controller.api.status import explain
from controller.model import (
    Policy,
    World,
)
from controller.planner.actions import Alarm, Refuse, Wait
from controller.planner.placement import Placement
from controller.planner.plan import plan
from controller.planner.remedies import NOBODY
from controller.protocol.views import Explanation
from controller.reconciler.state import LoopState, Observation
from tests.support.planner_table import TABLE
from tests.support.told import LONG, RUNS, SITUATIONS
from tests.support.told_words import REVOKED, Told, held
from tests.support.worlds import POLICY, V


def told(w: World, policy: Policy) -> Explanation:
    state = LoopState(lambda: 0.0)
    if w.volumes is None or V in w.volumes:
        state.wrote((w.volumes or {}).get(V, REVOKED))
    state.publish(Observation(1, 0.0, 1_700_000_000.0, w), {each.volume: each for each in plan(w, policy)})
    found = explain(state, policy, V)
    assert found is not None
    return found


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_whoever_waits_reads_what_is_true_and_what_would_help(situation: Told) -> None:
    """In each held situation the reason names what is awaited, and the cure what a person can do."""
    found = told(situation.world, situation.policy)

    assert found.state == situation.state
    assert [part for part in situation.why if part not in found.why] == []
    assert [part for part in situation.cure if part not in found.cure] == []


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_what_is_told_is_whole_sentences_without_a_gap(situation: Told) -> None:
    """No placeholder is left open, and reason and cure begin and end as sentences."""
    found = told(situation.world, situation.policy)

    for text in (found.why, found.cure.removeprefix(NOBODY) or found.why):
        assert text[0].isupper()
        assert text.endswith((".", "`."))
        assert not {"{", "}", "?", "None"} & set(text.replace("`", " ").split())
        assert "  " not in text


@pytest.mark.parametrize("w", [w for w, _, _ in TABLE.values()], ids=TABLE.keys())
def test_no_situation_at_all_leaves_a_person_without_an_answer(w: World) -> None:
    """Every row of the table has a reason and a cure; only work under way and rest need nobody."""
    found = told(w, POLICY)

    assert found.why
    assert found.cure
    waits = found.state in {"waiting", "refused", "ALARM", "kept", "paused"}
    assert waits is (found.cure != NOBODY)


def test_every_placement_that_holds_a_volume_is_told_above() -> None:
    """A placement whose step only waits, refuses or raises an alarm needs a situation here."""
    holding = {where for w, where, step in TABLE.values() if step in {Wait, Refuse, Alarm}} | {Placement.TARGET_FULL}

    assert holding <= {
        Placement(told(each.world, each.policy).placement)
        for each in SITUATIONS.values()
        if told(each.world, each.policy).placement != "not looked at"
    }


def test_an_operation_under_way_needs_nobody_and_says_what_it_does() -> None:
    """A call in doubt and a fence are work: they say what is done, and no person is sent to do something."""
    fence = told(held(nodes=[LONG], power=RUNS), POLICY)

    assert (fence.state, fence.decision, fence.cure) == ("working", "fence", NOBODY)
    assert "it is powered off (this storage cannot cut its writes)" in fence.why

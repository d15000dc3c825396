"""What is said of an action, whatever it is."""

from __future__ import annotations

import pytest

from controller.planner.actions import Action, Alarm, Converged, Refuse, Wait, final, reason
from tests.support.worlds import V


@pytest.mark.parametrize(
    ("action", "told_now"),
    [
        (Refuse(V, "because"), True),
        (Alarm(V, "because", "cure", final=True), True),
        (Alarm(V, "because", "cure"), False),
        (Wait(V, "because"), False),
        (Converged(V, "because"), False),
    ],
)
def test_whoever_mounts_is_told_now_only_where_waiting_cannot_help(action: Action, told_now: bool) -> None:
    assert final(action) is told_now


@pytest.mark.parametrize(
    ("why", "told"),
    [("the pool is full", "the pool is full: Make room."), ("The pool is full.", "The pool is full. Make room.")],
)
def test_an_alarm_and_its_cure_are_two_sentences_or_one(why: str, told: str) -> None:
    assert reason(Alarm(V, why, "Make room.")) == told

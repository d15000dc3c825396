"""What is said of an action, whatever it is."""

from __future__ import annotations

import pytest

from controller.planner.actions import Action, Alarm, Converged, Refuse, Wait, final
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

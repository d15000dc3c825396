"""What may not happen while nothing can be known."""

from __future__ import annotations

import pytest

from controller.model import Moment
from deploy.drill.faults.away import BmcAway, MonitorAway, judge
from deploy.drill.swarm.controller_answers import HistoryRow


def rows(at: float) -> tuple[HistoryRow, ...]:
    return tuple(HistoryRow(moment, at, text=moment.value) for moment in Moment)


@pytest.mark.parametrize("at", [100.0, 101.9, 173.1, 180.0])
def test_what_came_before_or_after_is_no_objection(at: float) -> None:
    assert judge(rows(at), BmcAway.too_early, 100.0, 175.0) == ()


@pytest.mark.parametrize(
    ("fault", "words"), [(BmcAway, ["evidence", "detached", "attached"]), (MonitorAway, ["attached"])]
)
def test_what_rests_on_what_was_away_may_not_happen_meanwhile(fault: type[BmcAway], words: list[str]) -> None:
    found = judge(rows(150.0), fault.too_early, 100.0, 175.0)

    assert sorted(found) == sorted(f"it was {word} while nothing could be known: {word}" for word in words)


def test_a_recovery_before_anything_came_back_is_an_objection() -> None:
    assert judge((), BmcAway.too_early, 100.0, 0.0) == ("commits went on before what was away came back",)

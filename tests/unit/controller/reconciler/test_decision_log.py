"""What is decided is in the log once, and a gate that says something else each time does not fill a disk with it."""

from __future__ import annotations

from structlog.testing import capture_logs

from controller.planner.actions import Wait
from controller.planner.plan import Decision
from controller.reconciler.decision_log import LINE_SECONDS, LINES_AT_ONCE, DecisionLog
from tests.support.worlds import V, record, world


def test_ever_new_reasons_of_one_volume_get_few_lines_and_the_newest_one_of_them_later() -> None:
    now, before = [0.0], {V: Decision(V, None, Wait(V, "begun"))}
    log, seen = DecisionLog(lambda: now[0]), world(volume=record())
    with capture_logs() as logs:
        for number in range(500):
            decided = {V: Decision(V, None, Wait(V, f"the gate there reports: {number}"))}
            log.tell(before, decided, seen)
            before = decided
        assert len(logs) == LINES_AT_ONCE
        log.tell(before, before, seen)
        assert len(logs) == LINES_AT_ONCE
        now[0] += LINE_SECONDS
        log.tell(before, before, seen)
        log.tell(before, before, seen)
    assert [each["why"] for each in logs[LINES_AT_ONCE:]] == ["the gate there reports: 499"]

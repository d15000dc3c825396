"""Goes through the day, and prints a line a step; ends with 1 at the first step that is not as it should be."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.drill.errors import DrillError
from deploy.drill.interrupts import interruptible
from deploy.drill.swarm.cluster import Trouble
from tests.drills.day import evening, morning
from tests.drills.day.day import Day, Step
from tests.drills.day.ledger import Ledger
from tests.drills.day.town import standing


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reberth-day-") as folder, standing(Path(folder)) as town:
        day = Day(town, Ledger(town))
        return 0 if all(walked(day, number, step) for number, step in _numbered(morning.STEPS, evening.STEPS)) else 1


def _numbered(*parts: Sequence[Step]) -> Sequence[tuple[int, Step]]:
    return [*enumerate((step for part in parts for step in part), 1)]


def walked(day: Day, number: int, step: Step) -> bool:
    since = time.monotonic()
    try:
        step.act(day)
        acted = time.monotonic()
        status, data = day.ledger.status(), [*day.ledger.data()]
    except (AssertionError, ValueError, DrillError, *Trouble) as error:
        print(f"{number:2} {step.name}: NOT DONE: {error}", flush=True)  # noqa: T201 -- a report
        return False
    words = f"{acted - since:6.1f} s  {time.monotonic() - acted:5.1f} s  data {_word(data)}  status {_word(status)}"
    print(f"{number:2} {step.name:55} {words}", flush=True)  # noqa: T201
    for complaint in (*data, *status):
        print(f"   {complaint}", flush=True)  # noqa: T201
    return not data and not status


def _word(complaints: Sequence[str]) -> str:
    return "NOT ok" if complaints else "ok"


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())

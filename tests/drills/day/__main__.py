"""
Goes through the day, and prints a line a step; ends with 1 at the first step that is not as it should be.

With a number: after what makes the stacks only the steps from that one on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.drill.errors import DrillError
from deploy.drill.interrupts import interruptible
from deploy.drill.swarm.cluster import Trouble
from tests.drills.day import services, volumes
from tests.drills.day.day import Day, Step
from tests.drills.day.ledger import Ledger
from tests.drills.day.swarm import standing

MAKES = 2  # steps


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reberth-day-") as folder, standing(Path(folder)) as swarm:
        day = Day(swarm, Ledger(swarm))
        return 0 if all(walked(day, number, step) for number, step in _chosen()) else 1


def _chosen() -> Sequence[tuple[int, Step]]:
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    return [each for each in enumerate((*services.STEPS, *volumes.STEPS), 1) if each[0] <= MAKES or each[0] >= first]


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

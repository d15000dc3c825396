"""
The tests of `make check`, in a few plain pytests at once: two keep the cores busy while others wait.

Each imports what its own tests need alone. Workers of pytest-xdist import and collect all tests each, and send every
result: that took twice as long as the same tests in one process. The longest part begins first.

What failed is shown last, above the line that counts all: ``N passed, N failed, N skipped``.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.run import TESTS, Parts, Run, ending_together

FOLDERS = ("unit", "sim")  # what starts the command, builds or attacks over TLS is in `make test` alone
LOOP = ("unit/controller/api", "unit/controller/reconciler")
WAITING = "unit/drivers"  # for deadlines, by the clock: beside what only computes
SEARCH = ("sim/test_search.py", "sim/test_rules.py")
PARTS: Parts = {  # in the order in which they begin
    "search": SEARCH,
    "units": ("unit", *(f"--ignore={TESTS / each}" for each in (*LOOP, WAITING))),
    "loop": LOOP,
    "walks": ("sim", *(f"--ignore={TESTS / each}" for each in SEARCH)),
    "drivers": (WAITING,),
}


def main(parts: Parts = PARTS) -> int:
    with tempfile.TemporaryDirectory(prefix="reberth-check-") as name, ExitStack() as files:
        run = Run(Path(name), files, parts)
        waiting, bad = list(parts), []

        def ended(part: str, code: int) -> None:
            if code:
                bad.append(part)
            else:
                run.show([part])

        with ending_together(run.started) as told:
            run.streams([waiting] * len(parts), told, ended)
            cut_off = told()
        run.show(bad)
        return run.closed(cut_off=cut_off)


if __name__ == "__main__":
    sys.exit(main())

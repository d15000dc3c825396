"""A session at low priority leaves the processor to the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.kernel.priority import prefer


@contextmanager
def sleeper() -> Iterator[int]:
    made = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        yield made.pid
    finally:
        made.kill()
        made.wait()


def test_the_session_has_the_niceness_that_was_asked_for() -> None:
    with sleeper() as pid:
        group = Path(f"/proc/{pid}/autogroup")
        prefer(pid, 15)
        assert group.read_text().endswith("nice 15\n")


def test_a_process_that_has_ended_is_no_error() -> None:
    with sleeper() as pid:
        pass
    prefer(pid, 15)

"""What computes for too long is ended; what waits is not. In processes of their own: it is their time that counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMPUTES = """
from tests.sim.deadline import ending
with ending(0.1):
    while True:
        pass
"""
WAITS = """
import time
from tests.sim.deadline import ending
with ending(0.1):
    time.sleep(0.3)
began = time.process_time()
while time.process_time() < began + 0.2:
    pass
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", script]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=60)


def test_who_computes_for_too_long_is_told_so() -> None:
    done = run(COMPUTES)

    assert done.returncode == 1
    assert "TimeoutError: it computed for 0.1 s and had no end" in done.stderr


def test_who_only_waits_is_let_be_and_nothing_comes_afterwards() -> None:
    done = run(WAITS)

    assert (done.returncode, done.stderr) == (0, "")

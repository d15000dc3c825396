"""Processes that tests must see the end of."""

from __future__ import annotations

import time
from pathlib import Path


def wait_gone(pid: int, seconds: float = 20) -> None:
    """Gone, or a zombie that nobody has buried yet."""
    deadline = time.monotonic() + seconds
    while _runs(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

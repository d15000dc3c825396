"""
How much of a busy machine a session of processes gets.

Where the kernel groups processes by their session (``kernel.sched_autogroup_enabled``, Debian's default), nice(1)
counts among those of one session only, and the group has a niceness of its own: sched(7). Seen: three busy loops at
nice 15 beside three at 0, in sessions of their own, get as much of the processor; with their groups' niceness, a
thirtieth.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def prefer(pid: int, nice: int) -> None:
    """``nice``: of the whole session of ``pid``, -20 (the most) to 19. Without groups in the kernel nothing is done."""
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))

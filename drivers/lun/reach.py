"""
The way to the LUNs that this machine sees.

A command to a LUN whose path is lost may hang for minutes in the kernel, where nothing ends it. A few such threads are
left behind, then that LUN is asked nothing more until it comes back: no other LUN waits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from controller.reservations.lun import BY_ID, Lun, opened
from drivers.shared.threads import Threads

T = TypeVar("T")
MOST = 4  # a look, a change and what is read back at once: more can only be stuck ones


class Reach(Protocol):
    """The way to the LUNs."""

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        """Raises NotSent, NoAnswer, Failed, Malformed of `controller.reservations`, or CallError."""
        ...


class Local:
    """``opens``: a LUN by its name below a folder."""

    def __init__(
        self, seconds: float, by_id: Path = BY_ID, opens: Callable[[str, Path], AbstractContextManager[Lun]] = opened
    ) -> None:
        self._seconds = seconds
        self._by_id = by_id
        self._opens = opens
        self._threads = dict[str, Threads]()

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        def work() -> T:
            with self._opens(lun, self._by_id) as found:
                return act(found)

        threads = self._threads.setdefault(lun, Threads(lun, MOST))
        return await threads.run(work, seconds or self._seconds)

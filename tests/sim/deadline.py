"""An end for what only computes, in time of the processor: a busy machine makes it later and not shorter."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ending(seconds: float) -> Iterator[None]:
    """Raises TimeoutError after so many seconds of this process. In the main thread only, one at a time."""

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it computed for {seconds:g} s and had no end")

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)

"""
An interrupt ends the drill in good order: it raises once, and nothing disturbs the clean-up after it.

SIGTERM and SIGHUP count like Ctrl-C. While cleaning up they are ignored, and so they are by the programs that the
clean-up starts: an ignored signal stays ignored over exec. Where the program goes on after a clean-up, they wait.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.drill.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- a signal handler's signature
    ignore()  # the second one must not hit the clean-up that the first one starts
    raise Interrupted(signal.Signals(number).name)


def ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def interruptible() -> Iterator[None]:
    """
    The first signal raises `Interrupted` in the main thread. The old handlers are back at the end, unless one came: the
    process has only to end then, and a second one shall not change its exit code.
    """
    before = {number: signal.signal(number, _raise) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _raise:
                signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """No signal gets through until the end; those that came are dropped: the program ends anyway."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def delayed() -> Iterator[None]:
    """
    No signal gets through until the end; then the first that came does, as if it had come there. The programs that are
    started meanwhile do not get any: a blocked signal stays blocked over exec.
    """
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])

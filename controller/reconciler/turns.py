"""When a look may begin that others ask for: whoever has much to tell must not make the loop look all the time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from controller.reconciler.pace import Pace
from controller.reconciler.wakeups import Urgent, Wakeup


class Bucket:
    """So many looks at once, and one more each so many seconds."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._clock = clock
        self._left = float(pace.burst)
        self._at = clock()

    def after(self) -> float:
        """Seconds until the next look may begin; it is counted."""
        now = self._clock()
        self._left = min(float(self._pace.burst), self._left + (now - self._at) / self._pace.least)
        self._at = now
        self._left -= 1.0
        return max(0.0, -self._left * self._pace.least)


class Turns:
    """
    What presses has a bucket for each kind, so that it waits neither behind gates that report nor behind each other.

    What the loop did itself is looked at at once: that is bounded by the operations and their backoff. So is a look
    for which its time has come.
    """

    def __init__(self, pace: Pace, clock: Callable[[], float], wakeup: Wakeup) -> None:
        self._clock = clock
        self._wakeup = wakeup
        self._others = Bucket(pace, clock)
        self._urgent = {each: Bucket(pace, clock) for each in Urgent}
        self.ended = False  # an operation, since the last look began

    def end(self) -> None:
        """An operation ended."""
        self.ended = True
        self._wakeup.pressed.fire()

    async def wait(self, due: float = inf) -> None:
        """Somebody asked: until a look may begin. ``due``: when one begins in any case."""
        ends = min(due, self._clock() + (0.0 if self.ended else self._others.after()))
        counted = set[Urgent]()
        while not self.ended and self._clock() < ends:
            for each in self._wakeup.urgent - counted:
                counted.add(each)
                ends = min(ends, self._clock() + self._urgent[each].after())
            await self._wakeup.pressed.wait(ends - self._clock())

    def begin(self) -> None:
        """A look begins."""
        self.ended = False
        self._wakeup.begin()

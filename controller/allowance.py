"""How often somebody may do what costs others something: so many at once, and one more in so many seconds."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_REMEMBERED = 1000

Who = TypeVar("Who", bound=Hashable)


class Allowance(Generic[Who]):
    """In memory only: whoever acts next begins anew."""

    def __init__(self, clock: Callable[[], float], at_once: int, seconds: float) -> None:
        """``seconds``: for each one more than ``at_once``."""
        self._clock = clock
        self._at_once = at_once
        self._seconds = seconds
        self._full: dict[Who, float] = {}  # when all that somebody did is forgotten
        self._most = _REMEMBERED

    def wait(self, who: Who) -> float:
        """Seconds until it may be done again; 0: now."""
        return max(0.0, self._full.get(who, 0.0) - self._clock() - (self._at_once - 1) * self._seconds)

    def take(self, who: Who) -> bool:
        """Whether it may be done now; then it is counted."""
        if self.wait(who) > 0.0:
            return False
        now = self._clock()
        if len(self._full) >= self._most:
            self._full = {each: at for each, at in self._full.items() if at > now}
            self._most = 2 * len(self._full) + _REMEMBERED
        self._full[who] = max(now, self._full.get(who, now)) + self._seconds
        return True

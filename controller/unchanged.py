"""
What did not change is not worked out anew. Pure: what comes out is what working it out would give.

Values of the World are frozen, so an answer made of some values holds while they are the very same objects. Whoever
reads them gives out the same object again while what was read is equal.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import is_
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Once(Generic[P, T]):
    """A pure function of frozen values, which keeps its last answer. The values are kept with it: none is another's."""

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = make
        self._last: tuple[tuple[object, ...], T] | None = None

    def __call__(self, *values: P.args, **named: P.kwargs) -> T:
        """Raises what the function raises, and keeps nothing of it. Values are to be given by position."""
        if named:
            return self._make(*values, **named)
        if self._last is None or len(self._last[0]) != len(values) or not all(map(is_, self._last[0], values)):
            self._last = (values, self._make(*values, **named))
        return self._last[1]


class Remembered(Generic[T]):
    """Reads an answer only if it is not, byte for byte, the last one: most lists are the same in most looks."""

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self._read = read
        self._last: tuple[bytes, T] | None = None

    def __call__(self, answer: bytes) -> T:
        """Raises what ``read`` raises."""
        if self._last is None or self._last[0] != answer:
            self._last = (answer, self._read(answer))
        return self._last[1]


class Each(Generic[P, T]):
    """A pure function of frozen values, which keeps its last answer for each key, to be given while all are equal."""

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = make
        self._before: dict[Hashable, tuple[tuple[object, ...], T]] = {}
        self._now: dict[Hashable, tuple[tuple[object, ...], T]] = {}

    def __call__(self, key: Hashable, *values: P.args, **named: P.kwargs) -> T:
        """Raises what the function raises, and keeps nothing of it. Values are to be given by position."""
        if named:
            return self._make(*values, **named)
        known = self._before.get(key)
        if known is None or known[0] != values:
            known = values, self._make(*values, **named)
        self._now[key] = known
        return known[1]

    def turn(self) -> None:
        """What was not asked for since the last turn is forgotten."""
        self._before, self._now = self._now, {}

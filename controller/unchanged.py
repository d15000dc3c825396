"""
What did not change is not worked out anew. Pure: what comes out is what working it out would give.

Values of the World are frozen, so an answer made of some values holds while they are the very same objects. Whoever
reads them gives out the same object again while what was read is equal: also of a list, of which one item changed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import accumulate
from operator import is_
from typing import Generic, ParamSpec, TypeVar

import msgspec

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


@dataclass(frozen=True, slots=True)
class _List(Generic[T]):
    """A JSON list that was read. ``ends``: where each item ends in it; empty where more than commas is between them."""

    answer: bytes
    items: tuple[T, ...]
    ends: tuple[int, ...]

    def begin(self, item: int) -> int:
        return self.ends[item - 1] + 1 if item else 1

    def known(self, first: int, end: int) -> dict[bytes, T]:
        """These items by their text."""
        spans = enumerate(self.ends[first:end], first)
        return {self.answer[self.begin(number) : at]: self.items[number] for number, at in spans}


class Items(Generic[T]):
    """
    Reads a JSON list of objects; an item that is, byte for byte, one of the last answer is the very same object.

    Lists of thousands differ by a few items from look to look. Where two lists begin with the same bytes, they begin
    with the same objects; and where an object begins before the same bytes in both, the same objects follow. So only
    what is between is searched for its items.
    """

    def __init__(self, read: Callable[[bytes], T]) -> None:
        """``read``: one item."""
        self._read = read
        self._last: _List[T] = _List(b"", (), ())

    def __call__(self, answer: bytes) -> tuple[T, ...]:
        """The very same tuple while the answer is the same. Raises what ``read`` raises, and msgspec.DecodeError."""
        if self._last.answer != answer:
            self._last = self._between(answer) or self._all(answer)
        return self._last.items

    def _all(self, answer: bytes) -> _List[T]:
        return _List(answer, *self._items(answer, self._last.known(0, len(self._last.ends)), 0))

    def _between(self, answer: bytes) -> _List[T] | None:
        """None where neither end of it is the same, or nothing is between."""
        last, longer = self._last, len(answer) - len(self._last.answer)
        first = bisect_right(last.ends, _same(last.answer, answer))
        begin = last.begin(min(first, len(last.ends)))
        follow = max(len(last.answer) - _same_at_end(last.answer, answer), begin, begin - longer)
        rest = bisect_left(last.ends, follow - 1) + 1  # the first item of those that follow
        if rest >= len(last.ends) or answer[begin - 1] != last.answer[begin - 1]:
            return None
        end = last.begin(rest) + longer  # where they begin now
        if answer[end - 1] != ord(",") or end == begin:
            return None
        middle, ends = self._items(b"[" + answer[begin : end - 1] + b"]", last.known(first, rest), begin - 1)
        if not ends:
            return None
        after = tuple(each + longer for each in last.ends[rest:])
        return _List(answer, (*last.items[:first], *middle, *last.items[rest:]), (*last.ends[:first], *ends, *after))

    def _items(self, text: bytes, known: dict[bytes, T], offset: int) -> tuple[tuple[T, ...], tuple[int, ...]]:
        """The items of a list, and where they end; ``offset``: of the text in the answer."""
        raw = [bytes(each) for each in msgspec.json.decode(text, type=list[msgspec.Raw])]
        items = tuple(known[each] if each in known else self._read(each) for each in raw)
        tight = len(text.rstrip()) == sum(map(len, raw)) + len(raw) + 1
        ends = tuple(accumulate((len(each) + 1 for each in raw), initial=offset))[1:] if tight else ()
        return items, ends


_STEP = 1 << 16


def _same(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning."""
    at, step, most = 0, _STEP, min(len(one), len(other))
    while step:
        if at + step <= most and other.startswith(one[at : at + step], at):
            at += step
        else:
            step >>= 1
    return at


def _same_at_end(one: bytes, other: bytes) -> int:
    at, step, most = 0, _STEP, min(len(one), len(other))
    while step:
        if at + step <= most and other.endswith(one[len(one) - at - step : len(one) - at], 0, len(other) - at):
            at += step
        else:
            step >>= 1
    return at

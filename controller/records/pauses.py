"""
A pause with an end, and pauses of one volume or one node. Pure.

The end stands in the reason itself, so people read it, and a controller of an older version, which knows no ends, keeps
the pause instead of finding the record unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from controller.model import PausedPart

_END = re.compile(r" \(until (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\)\Z")
_FORM = "%Y-%m-%d %H:%M:%S"


def with_end(reason: str, at: float) -> str:
    """``at``: unix seconds. It ends in that second, or just after."""
    moment = datetime.fromtimestamp(at, UTC).strftime(_FORM)
    return f"{reason} (until {moment} UTC)"


def over(reason: str, now: float) -> bool:
    """Whether the pause had an end, and that is behind ``now``, in unix seconds."""
    found = _END.search(reason)
    if found is None:
        return False
    try:
        return datetime.strptime(found[1], _FORM).replace(tzinfo=UTC).timestamp() <= now
    except ValueError:  # no such day: a person's own words
        return False


def lasting(parts: Iterable[PausedPart], now: float) -> tuple[PausedPart, ...]:
    """Those that are not over."""
    return tuple(each for each in parts if not over(each.reason, now))


def same(one: PausedPart, other: PausedPart) -> bool:
    """Whether both are about one volume, or about one node: by its ID or its VM."""
    if one.volume is not None or other.volume is not None:
        return one.volume == other.volume
    return one.node == other.node or (one.vm is not None and one.vm == other.vm)


def with_parts(parts: Iterable[PausedPart], said: Iterable[PausedPart]) -> tuple[PausedPart, ...]:
    """What was said last about a part is what counts."""
    new = tuple(said)
    return (*(each for each in parts if not any(same(each, other) for other in new)), *new)


def without_part(parts: Iterable[PausedPart], gone: PausedPart) -> tuple[PausedPart, ...]:
    return tuple(each for each in parts if not same(each, gone))

"""
A pause with an end. Pure.

The end stands in the reason itself, so people read it, and a controller of an older version, which knows no ends, keeps
the pause instead of finding the record unreadable.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

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

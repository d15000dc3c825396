"""
Snapshots by the clock, as ``driver_opts`` say them: ``snapshots: daily keep 7``. Pure.

What the stack file says later is taken; what it says nothing of stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from controller.model import Every, Schedule, Spec

SNAPSHOTS, NONE = "snapshots", "none"
MOST_KEPT = 24  # of 32 that a record holds: people make some, too
FORM = f"hourly, daily or weekly, keep, and a number up to {MOST_KEPT}: daily keep 7"
NOT_IN_USE = (
    "this storage driver copies no disk that is in use, so no snapshots are made by schedule: leave snapshots out "
    "(`reberth snapshot create` makes one, where the driver can, while no service uses the volume)"
)
_FORM = re.compile(rf"({'|'.join(each.value for each in Every)}) keep ([1-9][0-9]?)")


def problem(options: Mapping[str, str]) -> str | None:
    """What cannot be meant, with the cure."""
    text = options.get(SNAPSHOTS, NONE)
    if text == NONE or _read(text) is not None:
        return None
    return f"snapshots {text!r} is no schedule: write {FORM}; or none"


def schedule(options: Mapping[str, str]) -> Schedule | None:
    """Of options without a `problem`."""
    return _read(options.get(SNAPSHOTS, NONE))


def wished_schedule(options: Mapping[str, str], spec: Spec) -> str | None:
    """What is said, where the volume has another one; None where it has that, or nothing usable is said."""
    said = options.get(SNAPSHOTS)
    if said is None or problem(options) is not None or schedule(options) == spec.schedule:
        return None
    return said


def _read(text: str) -> Schedule | None:
    match = _FORM.fullmatch(text)
    if match is None or int(match[2]) > MOST_KEPT:
        return None
    return Schedule(Every(match[1]), int(match[2]))

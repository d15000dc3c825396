"""
How long a removed volume's disk is kept, whoever's clock is wrong. Pure.

The grace is counted by the wall clock of whoever acts, and that may be days off: a machine whose battery is empty, a
guest that was suspended. Node services tell their clocks, and most of them are right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import median_low

from controller.model import VolumeName, VolumeRecord

HEARD_WITHIN = 60.0  # seconds in which node services tell their clocks to a controller that begins to act


def no_later(wall: float, offsets: Collection[float], acting: float) -> float | None:
    """
    The time by our clock or by that of most nodes, whichever is earlier; None: it is not known yet.

    ``offsets``: the nodes' clocks less ours, in seconds; ``acting``: for how many seconds this controller acts.
    """
    if not offsets:
        return wall if acting >= HEARD_WITHIN else None
    return wall + min(0.0, median_low(offsets))


def by_most(wall: float, offsets: Collection[float], acting: float) -> float | None:
    """The time by the clocks of most nodes, ours among them; None: not known yet, as not all told theirs."""
    if acting < HEARD_WITHIN:
        return None
    return wall + (median_low(offsets) if offsets else 0.0)


def grace(seconds: float, offsets: Collection[float]) -> float:
    """So many seconds by our clock, and for as long as it is behind that of most nodes; none at all stays none."""
    return seconds + max(0.0, median_low(offsets)) if seconds > 0 and offsets else seconds


def kept(volumes: Mapping[VolumeName, VolumeRecord] | None, now: float | None) -> Mapping[VolumeName, float]:
    """For how many seconds more each removed volume's disk is kept. ``now`` None: for as long as that is not known."""
    marked = {name: record.delete_at for name, record in (volumes or {}).items() if record.delete_at is not None}
    if now is None:
        return dict.fromkeys(marked, HEARD_WITHIN)
    return {name: at - now for name, at in marked.items() if at > now}

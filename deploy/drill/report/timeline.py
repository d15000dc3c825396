"""From what was seen to seconds after the fault. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from controller.model import Moment
from deploy.drill.swarm.controller_answers import HistoryRow

SLACK = 5.0  # seconds before the fault in which a new entry may still belong to it: the nodes have clocks of their own


class Seconds(msgspec.Struct, frozen=True):
    """Seconds after the fault; None where the phase did not happen or was not seen."""

    node_down: float | None = None
    assigned: float | None = None
    evidence: float | None = None
    detached: float | None = None
    attached: float | None = None
    mounted: float | None = None
    accepting: float | None = None


PHASES: tuple[str, ...] = tuple(Seconds.__struct_fields__)
RECORDED: Mapping[str, Moment] = {
    "evidence": Moment.EVIDENCE,
    "detached": Moment.DETACHED,
    "attached": Moment.ATTACHED,
    "mounted": Moment.MOUNTED,
}


@dataclass(frozen=True, slots=True)
class Watched:
    """What the drill saw itself, in unix seconds."""

    node_down: float | None = None
    assigned: float | None = None
    accepting: float | None = None


def after(history: Iterable[HistoryRow], fault_at: float, known: Iterable[HistoryRow] = ()) -> tuple[HistoryRow, ...]:
    """The entries that belong to this fault, oldest first. ``known``: those that were there before it."""
    old = set(known)
    rows = (row for row in history if row not in old and row.at >= fault_at - SLACK)
    return tuple(sorted(rows, key=lambda row: row.at))


def seconds(fault_at: float, watched: Watched, rows: Sequence[HistoryRow]) -> Seconds:
    """
    Joins both sources. The first entry of a moment counts, but a mount counts only after the attach before it.

    ``rows``: of this fault, by ``after``.
    """
    found = {name: _first(rows, moment) for name, moment in RECORDED.items()}
    if found["attached"] is not None:
        found["mounted"] = _first(tuple(row for row in rows if row.at >= (found["attached"] or 0)), Moment.MOUNTED)
    found |= {"node_down": watched.node_down, "assigned": watched.assigned, "accepting": watched.accepting}
    return Seconds(**{name: None if at is None else round(at - fault_at, 3) for name, at in found.items()})


def _first(rows: Sequence[HistoryRow], moment: Moment) -> float | None:
    return next((row.at for row in rows if row.moment is moment), None)


def evidence(rows: Sequence[HistoryRow]) -> HistoryRow | None:
    """The entry that says why the old holder could not write any more."""
    return next((row for row in rows if row.moment is Moment.EVIDENCE), None)

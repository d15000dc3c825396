"""From what was seen to seconds after the fault. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from controller.model import EvidenceKind, Moment

SLACK = 0.5  # seconds before the fault in which an entry may still belong to it: clocks are read in several processes


class HistoryRow(msgspec.Struct, frozen=True):
    """One entry of a volume's history, as ``reberth explain --json`` prints it. Unknown fields are let through."""

    moment: Moment
    at: float  # unix seconds, the controller's clock
    epoch: int = 0
    text: str = ""
    node: str = ""
    evidence: EvidenceKind | None = None


class Explanation(msgspec.Struct, frozen=True):
    """The part of ``reberth explain VOLUME --json`` that a drill needs (docs/explain.md)."""

    volume: str
    state: str = ""
    placement: str = ""
    decision: str = ""
    why: str = ""
    cure: str = ""
    setback: str | None = None
    history: tuple[HistoryRow, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """The part of ``reberth status --json`` that a drill needs."""

    unread: tuple[str, ...] = ()


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


def after(history: Iterable[HistoryRow], fault_at: float) -> tuple[HistoryRow, ...]:
    """The entries that belong to this fault, oldest first."""
    return tuple(sorted((row for row in history if row.at >= fault_at - SLACK), key=lambda row: row.at))


def seconds(fault_at: float, watched: Watched, history: Sequence[HistoryRow]) -> Seconds:
    """Joins both sources. The first entry of a moment counts, but a mount counts only after the attach before it."""
    rows = after(history, fault_at)
    found = {name: _first(rows, moment) for name, moment in RECORDED.items()}
    if found["attached"] is not None:
        found["mounted"] = _first(tuple(row for row in rows if row.at >= (found["attached"] or 0)), Moment.MOUNTED)
    found |= {"node_down": watched.node_down, "assigned": watched.assigned, "accepting": watched.accepting}
    return Seconds(**{name: None if at is None else round(at - fault_at, 3) for name, at in found.items()})


def _first(rows: Sequence[HistoryRow], moment: Moment) -> float | None:
    return next((row.at for row in rows if row.moment is moment), None)


def evidence(history: Sequence[HistoryRow], fault_at: float) -> HistoryRow | None:
    """The entry that says why the old holder could not write any more."""
    return next((row for row in after(history, fault_at) if row.moment is Moment.EVIDENCE), None)

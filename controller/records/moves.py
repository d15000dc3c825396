"""
A volume's history as moves from node to node, with the seconds of each phase. Pure.

A move begins with the first word that the old holder lets go or cannot write (fenced, revoked or evidence), and ends
when a gate reports the mount. What is cut off by the history's bound, or not over yet, has no end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.model import EvidenceKind, HistoryEntry, Moment

PHASES = (Moment.FENCED, Moment.EVIDENCE, Moment.DETACHED, Moment.ATTACHED, Moment.GRANTED, Moment.MOUNTED)
_BEGINS = frozenset({Moment.FENCED, Moment.REVOKED, Moment.EVIDENCE})


@dataclass(frozen=True, slots=True)
class Move:
    """
    ``at`` is the wall-clock second of its first entry; ``seconds`` counts from there to each phase that was reached.

    ``evidence`` is None until there was any, ``why`` what was said of it. ``source`` and ``target`` are hostnames,
    empty while unknown.
    """

    at: float
    source: str = ""
    target: str = ""
    evidence: EvidenceKind | None = None
    why: str = ""
    seconds: Mapping[Moment, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return Moment.MOUNTED in self.seconds

    @property
    def planned(self) -> bool:
        """The old gate let go when it was asked: nothing had failed."""
        return self.evidence is EvidenceKind.RELEASED and Moment.FENCED not in self.seconds

    @property
    def total(self) -> float | None:
        return self.seconds.get(Moment.MOUNTED)


def moves(history: Sequence[HistoryEntry]) -> tuple[Move, ...]:
    """Oldest first. An attach without anything before it (a new volume's first) is no move."""
    return tuple(_moves(history))


def _moves(history: Iterable[HistoryEntry]) -> Iterable[Move]:
    move: Move | None = None
    for entry in history:
        if move is None:
            if entry.moment in _BEGINS:
                move = _noted(Move(entry.at, source=entry.node), entry)
            continue
        if Moment.DETACHED in move.seconds and entry.moment in _BEGINS:  # the target was given up, and another one came
            yield move
            move = _noted(Move(entry.at, source=entry.node), entry)
            continue
        move = _noted(move, entry)
        if move.ended:
            yield move
            move = None
    if move is not None:
        yield move


def _noted(move: Move, entry: HistoryEntry) -> Move:
    seconds = dict(move.seconds)
    if entry.moment in PHASES and entry.moment not in seconds:
        seconds[entry.moment] = max(0.0, entry.at - move.at)
    target = entry.node if entry.moment in {Moment.ATTACHED, Moment.GRANTED, Moment.MOUNTED} else move.target
    found = replace(move, seconds=seconds, target=target, source=move.source or entry.node)
    first = entry.moment is Moment.EVIDENCE and move.evidence is None
    return replace(found, evidence=entry.evidence, why=entry.text) if first else found

"""What `reberth explain --json` and `reberth status --json` say, as far as a drill needs it. Pure."""

from __future__ import annotations

import msgspec

from controller.model import EvidenceKind, Moment


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

"""One row of what was measured, and the table of all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``seen`` and ``target`` with their units; ``more``: how it was measured, in a few words."""

    what: str
    seen: str
    target: str = ""
    more: str = ""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def load() -> str:
    """How busy the machine is with other things: the numbers of a busy one are worse."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def table(rows: Sequence[Row]) -> str:
    cells = [("what", "seen", "to reach", "how"), *((r.what, r.seen, r.target, r.more) for r in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

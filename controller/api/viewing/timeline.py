"""The phases of a move as a drawing, and the same in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import pairwise

_WIDTH = 1000.0


def timeline(seconds: Mapping[str, float]) -> str:
    """``seconds``: from the first word to each phase. Boxes are as wide as what leads to a phase took."""
    ends = sorted(seconds.items(), key=lambda each: each[1])
    words = ", ".join(f"{escape(name)} {at:.2f} s" for name, at in ends)
    if not ends:
        return "<p>No phase is over.</p>"
    whole = ends[-1][1] or 1.0
    marks = [0.0, *(at / whole * _WIDTH for _, at in ends)]
    boxes = "".join(
        f'<rect x="{left:.1f}" y="2" width="{right - left:.1f}" height="16"{" class=odd" if number % 2 else ""}>'
        f"<title>{escape(ends[number][0])}</title></rect>"
        for number, (left, right) in enumerate(pairwise(marks))
    )
    drawing = f'<svg viewBox="0 0 {_WIDTH:.0f} 20" preserveAspectRatio="none" aria-hidden="true">{boxes}</svg>'
    return f"{drawing}<p>{words}</p>"

"""Numbers in what hypervisors keep as text, where anybody who may change a VM can write. Pure."""

from __future__ import annotations

MOST_DIGITS = 18  # of what every reader can keep; Python refuses some thousand with an error


def number(text: str) -> int | None:
    """None for what is no number of ours."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None

"""Lengths of time as people write them."""

from __future__ import annotations

import re

import typer

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    """``90s``, ``15m``, ``1h30m``, ``7d`` -> seconds. Raises typer.BadParameter."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no length of time: say 90s, 15m, 2h, 1h30m or 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)

"""Lengths of time are read as people write them, and nothing else is taken for one."""

from __future__ import annotations

import pytest
import typer

from controller.cli.durations import seconds


@pytest.mark.parametrize(("text", "found"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604_800)])
def test_a_number_and_a_unit_are_so_many_seconds(text: str, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "90", "2 h", "2hours", "-5m", "h", "m5", "1h x"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="say 90s, 15m, 2h, 1h30m or 7d"):
        seconds(text)

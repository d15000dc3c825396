"""A move is a row: its whole time in a terminal, its phases where there is room."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from controller.cli.show_moves import show_moves
from controller.model import EvidenceKind
from controller.protocol.views import MovesView, MoveView

SECONDS = {"evidence": 0.0, "detached": 0.14, "attached": 0.29, "granted": 0.44, "mounted": 5.53}
MOVE = MoveView("postgres-data", 0.0, "swarm04", "swarm01", EvidenceKind.POWERED_OFF, "seen off", False, SECONDS)


@pytest.mark.parametrize(
    ("width", "shown", "hidden"), [(80, ["5.53", "powered-off"], ["0.29"]), (200, ["0.29", "5.53", "seen off"], [])]
)
def test_a_move_is_one_row_with_what_there_is_room_for(width: int, shown: list[str], hidden: list[str]) -> None:
    out = io.StringIO()
    show_moves(Console(file=out, width=width), MovesView((MOVE,)))
    (row,) = (line for line in out.getvalue().splitlines() if "postgres-data" in line)
    assert all(each in row for each in ("swarm04", "swarm01", *shown))
    assert not any(each in row for each in hidden)


def test_no_move_is_said() -> None:
    out = io.StringIO()
    show_moves(Console(file=out, width=80), MovesView(()))
    assert out.getvalue() == "No moves.\n"

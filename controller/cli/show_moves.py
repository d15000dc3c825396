"""Moves for the terminal: those of the past, and plans."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from controller.cli.show import clock_of, table_of, time_of
from controller.protocol.views import MovesView, MoveView, PlanView
from controller.records.moves import PHASES

_PHASES = tuple(each.value for each in PHASES)


_PHASES_NEED = 160  # columns


def show_moves(console: Console, found: MovesView) -> None:
    """A row a move: the whole time, and where there is room a column a phase; all seconds since its first word."""
    if not found.moves:
        console.print("No moves.")
        return
    console.print(_by_phase(found) if console.width >= _PHASES_NEED else _short(found))


def _short(found: MovesView) -> Table:
    table = table_of("TIME", "VOLUME", "FROM", "TO", "SECONDS", last="EVIDENCE")
    for each in found.moves:
        whole = f"{max(each.seconds.values()):.2f}" if each.seconds else ""
        where = (escape(each.source), escape(each.target) or "?")
        table.add_row(clock_of(each.at), escape(each.volume), *where, whole, _evidence(each))
    return table


def _by_phase(found: MovesView) -> Table:
    table = table_of("TIME", "VOLUME", "FROM", "TO", *(each.upper() for each in _PHASES), "EVIDENCE", last="WHY")
    for each in found.moves:
        took = ("" if phase not in each.seconds else f"{each.seconds[phase]:.2f}" for phase in _PHASES)
        where = (escape(each.source), escape(each.target) or "?")
        table.add_row(time_of(each.at), escape(each.volume), *where, *took, _evidence(each), escape(each.why))
    return table


def _evidence(move: MoveView) -> str:
    word = "none yet" if move.evidence is None else move.evidence.value
    return f"{word} (planned)" if move.planned else word


def show_plan(console: Console, found: PlanView) -> None:
    """Each volume with its steps, and where it ends."""
    console.print(f"{escape(found.about)} Nothing is done.", soft_wrap=True)
    for volume in found.volumes:
        console.print()
        console.print(f"[bold]{escape(volume.volume)}[/]", soft_wrap=True)
        for step in volume.steps:
            console.print(f"  +{step.at:>4.0f} s  {step.action:<12} {escape(step.why)}", soft_wrap=True)
        console.print(f"  ends: {volume.state}, on {escape(volume.node) or 'no VM'}", soft_wrap=True)
        if volume.cure:
            console.print(f"  To do: {escape(volume.cure)}", soft_wrap=True)
    if not found.volumes:
        console.print("No volume is concerned.")

"""An upgrade for the terminal: who runs what, the steps in their order, and what is in the way."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from controller.cli.show import table_of
from controller.protocol.views import UpgradeView

_COLOURS = {
    "current": "green",
    "waits": "yellow",
    "unknown": "yellow",
    "done": "green",
    "now": "cyan",
    "later": "default",
}
_VERDICTS = {
    "done": "[green]All run one version, and nothing is in the way of another upgrade.[/]",
    "go on": "[cyan]Nothing is in the way. The upgrade is not finished: see the steps.[/]",
    "wait": "[yellow]Not now: begin, or go on, when the above is over.[/]",
}


def show_upgrade(console: Console, found: UpgradeView) -> None:
    console.print(f"Acting: {escape(found.holder) or 'not known'}, version {escape(found.version) or 'not known'}")
    if found.parts:
        table = table_of("PART", "NODE", "VERSION", "IMAGE", "STATE", last="WHY")
        for each in found.parts:
            cells = (each.part, escape(each.node), escape(each.version) or "-", escape(each.image) or "-")
            table.add_row(*cells, _coloured(each.state), escape(each.why))
        console.print(table)
    for number, step in enumerate(found.steps, 1):
        console.print(f"{number}. {step.part}: {_coloured(step.state)}: {escape(step.text)}", soft_wrap=True)
    for hold in found.holds:
        console.print(f"[yellow]{escape(hold)}[/]", soft_wrap=True)
    console.print(_VERDICTS.get(found.verdict, escape(found.verdict)), soft_wrap=True)


def _coloured(word: str) -> str:
    return f"[{_COLOURS.get(word, 'default')}]{word}[/]"

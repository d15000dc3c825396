"""`reberth history` and `reberth events`: the past, by moves and by single entries."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer

from controller.cli.app import Json, Output, app, show
from controller.cli.client import ask
from controller.cli.completion import nodes, volumes
from controller.cli.durations import seconds
from controller.cli.forms import Form
from controller.cli.show import time_of
from controller.cli.show_moves import show_moves
from controller.protocol import operator
from controller.protocol.views import EventView

FOLLOW_SECONDS = 1.0


@app.command()
def history(
    volume: Annotated[str, typer.Argument(help="Of this volume only.", autocompletion=volumes)] = "",
    node: Annotated[
        str, typer.Option(help="Only moves from or to the node of this hostname.", autocompletion=nodes)
    ] = "",
    since: Annotated[str, typer.Option(help="Only so far back: 90s, 15m, 2h, 7d.")] = "",
    json: Json = False,
    output: Output = Form.TABLE,
) -> None:
    """Moves of volumes, a row each: seconds of each phase, the evidence, and whose word that was."""
    from_then = time.time() - seconds(since) if since else 0.0
    asked = operator.History(volume, node, max(0.0, from_then))
    show(ask(operator.HISTORY, asked), show_moves, output, json=json)


@app.command()
def events(
    volume: Annotated[str, typer.Argument(help="Of this volume only.", autocompletion=volumes)] = "",
    since: Annotated[str, typer.Option(help="Only so far back: 90s, 15m, 2h, 7d.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    output: Output = Form.TABLE,
) -> None:
    """What happened to volumes, a line each, the oldest first; -o json is a JSON object a line."""
    from_then = max(0.0, time.time() - seconds(since)) if since else 0.0
    told: set[EventView] = set()
    while True:
        for each in ask(operator.EVENTS, operator.Events(volume, from_then)).events:
            if each not in told:
                told.add(each)
                typer.echo(line(each, output))
        if not follow:
            return
        time.sleep(FOLLOW_SECONDS)


def line(event: EventView, form: Form) -> str:
    if not form.drawn:
        return msgspec.json.encode(event).decode()
    word = event.moment.value if event.evidence is None else f"{event.moment.value} ({event.evidence.value})"
    return f"{time_of(event.at)} {event.volume} {word} {event.node or '-'}: {event.text}"

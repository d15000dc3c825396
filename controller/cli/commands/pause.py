"""`reberth pause` and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.app import app
from controller.cli.client import ask
from controller.cli.completion import nodes, volumes
from controller.cli.durations import seconds
from controller.protocol import operator

_LONGEST = 31 * 86_400.0


_Node = Annotated[str, typer.Option("--node", help="Only this node, and the volumes on it.", autocompletion=nodes)]
_Volume = Annotated[str, typer.Option("--volume", help="Only this volume.", autocompletion=volumes)]


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Shown to whoever waits.")],
    length: Annotated[str, typer.Option("--for", help="It ends by itself then: 30m, 2h, at most 31d.")] = "",
    node: _Node = "",
    volume: _Volume = "",
) -> None:
    """Do nothing about any volume, or about one, or one node, until `reberth resume`, or for as long as --for says."""
    limit = seconds(length) if length else None
    if limit is not None and not 0 < limit <= _LONGEST:
        raise typer.BadParameter("a pause ends after at most 31d; without --for it lasts until `reberth resume`")
    typer.echo(ask(operator.PAUSE, operator.Pause(reason, limit, node, volume)).text)


@app.command()
def resume(node: _Node = "", volume: _Volume = "") -> None:
    """End a pause: that of everything, or that of one node or one volume."""
    typer.echo(ask(operator.PAUSE, operator.Pause(node=node, volume=volume)).text)

"""`reberth confirm-dead` and `reberth fence`: a person vouches for the end of a machine, or orders it."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.app import Yes, app, must_type, who
from controller.cli.client import ask
from controller.cli.completion import nodes
from controller.protocol import operator


@app.command("confirm-dead")
def confirm_dead(
    node: Annotated[
        str,
        typer.Argument(help="Hostname, ID or VM of a node that is not ready, or left the swarm.", autocompletion=nodes),
    ],
    reason: Annotated[str, typer.Option(help="How you know that its VM can never write again.")],
    yes: Yes = False,
) -> None:
    """Vouch that a node's VM is dead, where no system can prove it. A mistake here costs data."""
    if not yes:
        told = ask(operator.WOULD_CONFIRM, operator.WouldConfirm(node))
        typer.echo(told.text)
        must_type(told.name)
    typer.echo(ask(operator.CONFIRM, operator.Confirm(node, reason, who())).text)


@app.command()
def fence(
    node: Annotated[str, typer.Argument(help="Hostname, ID or VM.", autocompletion=nodes)],
    reason: Annotated[str, typer.Option(help="Kept in the history of each volume that it concerns.")],
    yes: Yes = False,
    lives: Annotated[bool, typer.Option("--although-it-lives", help="The node is ready, or its gate speaks.")] = False,
) -> None:
    """Power a node's VM off, as the fence policy power-off does, so that its volumes can move; once, and at once."""
    if not yes:
        told = ask(operator.WOULD_FENCE, operator.WouldFence(node, lives))
        typer.echo(told.text)
        must_type(told.name)
    typer.echo(ask(operator.FENCE, operator.Fence(node, reason, who(), lives)).text)

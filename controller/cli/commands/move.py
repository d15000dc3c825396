"""`reberth move` and `reberth evacuate`: the plan is shown, a person agrees, and the end is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Annotated

import typer
from rich.console import Console

from controller.cli.app import Yes, app, must_type, who
from controller.cli.client import Exit, Unanswered, ask
from controller.cli.completion import Volume, nodes
from controller.cli.durations import seconds
from controller.cli.show_moves import show_plan
from controller.protocol import operator
from controller.protocol.messages import Empty
from controller.protocol.views import PlanView, StatusView

EVERY = 1.0  # seconds
_WELL = {"ok", "starting"}

Node = Annotated[str, typer.Argument(autocompletion=nodes, help="Hostname, ID or VM.")]
Wait = Annotated[str, typer.Option(help="How long to wait for the end: 90s, 10m.")]
Pending = Callable[[StatusView], list[str]]


@app.command()
def move(
    volume: Volume,
    node: Annotated[str, typer.Argument(autocompletion=nodes, help="Where to; not with --end.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End a move that was interrupted: Swarm chooses again.")] = False,
    yes: Yes = False,
    wait: Wait = "5m",
) -> None:
    """Move a volume's service to a node: the plan is shown, Swarm is asked, and the end is waited for."""
    if end:
        typer.echo(ask(operator.END_MOVE, operator.EndMove(volume)).text)
        return
    if not node:
        raise typer.BadParameter("say where to: reberth move VOLUME NODE")
    limit = seconds(wait)
    plan = ask(operator.PLAN, operator.Plan(volume=volume, to=node))
    show_plan(Console(), plan)
    if not yes:
        must_type(volume)
    typer.echo(ask(operator.MOVE, operator.Move(volume, node, who())).text)
    goals = {each.volume: each.node for each in plan.volumes}
    try:
        _until(lambda status: not_there(status, goals), limit)
    finally:
        typer.echo(ask(operator.END_MOVE, operator.EndMove(volume)).text)


@app.command()
def evacuate(node: Node, yes: Yes = False, wait: Wait = "10m") -> None:
    """Drain a node, and wait until no volume is on it: before its VM is worked on."""
    limit = seconds(wait)
    plan: PlanView = ask(operator.PLAN, operator.Plan(drain=node))
    show_plan(Console(), plan)
    if not yes:
        must_type(node)
    typer.echo(ask(operator.EVACUATE, operator.Evacuate(node, who())).text)
    moving = {each.volume for each in plan.volumes}
    _until(lambda status: still_on(status, node, moving), limit)
    typer.echo(f"no volume is on node {node}")


def not_there(status: StatusView, goals: Mapping[str, str]) -> list[str]:
    """Why each volume has not arrived. One that is gone by now is not waited for."""
    return [
        f"{each.volume}: {each.reason}"
        for each in status.volumes
        if each.volume in goals and (each.node != goals[each.volume] or each.state not in _WELL)
    ]


def still_on(status: StatusView, node: str, moving: Collection[str]) -> list[str]:
    """Why each of these volumes has not left."""
    names = {node} | {each.node for each in status.nodes if node in {each.id, each.vm}}
    return [f"{each.volume}: {each.reason}" for each in status.volumes if each.volume in moving and each.node in names]


def _until(pending: Pending, limit: float) -> None:
    """Says each reason once. Raises Unanswered at the end of the time."""
    ends, told = time.monotonic() + limit, set[str]()
    while True:
        left = pending(ask(operator.STATUS, Empty()))
        for each in left:
            if each not in told:
                told.add(each)
                typer.echo(each)
        if not left:
            return
        if time.monotonic() > ends:
            raise Unanswered(f"not over after {limit:.0f} s; it goes on: {'; '.join(left)}", Exit.REFUSED)
        time.sleep(EVERY)

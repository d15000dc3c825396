"""`reberth status`."""

from __future__ import annotations

import sys
import time
from enum import Enum
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from controller.cli.app import Json, Output, app, show
from controller.cli.check import Health, judged
from controller.cli.client import Unanswered, ask
from controller.cli.completion import nodes
from controller.cli.forms import Form
from controller.cli.show import show_status
from controller.protocol import operator
from controller.protocol.messages import Empty
from controller.protocol.views import StatusView, VolumeLine


class State(Enum):
    OK = "ok"
    STARTING = "starting"
    WORKING = "working"
    WAITING = "waiting"
    REFUSED = "refused"
    ALARM = "alarm"
    KEPT = "kept"
    PAUSED = "paused"
    UNKNOWN = "unknown"


@app.command()
def status(
    json: Json = False,
    output: Output = Form.TABLE,
    state: Annotated[list[State] | None, typer.Option(help="Only volumes in this state; may be repeated.")] = None,
    node: Annotated[str, typer.Option(help="Only volumes whose disk is on this node.", autocompletion=nodes)] = "",
    watch: Annotated[
        float | None, typer.Option("-w", "--watch", min=0.5, help="Again every so many seconds, until Ctrl-C.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="One line for monitoring; ends with 0, 1, 2 or 3.")] = False,
) -> None:
    """All volumes: where each is, and why."""
    if check:
        raise typer.Exit(_check())
    words = frozenset(each.value for each in state or ())
    while True:
        found = kept(ask(operator.STATUS, Empty()), words, node)
        if watch is not None:
            Console().clear()
        show(found, show_status, output, json=json)
        if watch is None:
            return
        sys.stdout.flush()
        time.sleep(watch)


def kept(found: StatusView, states: frozenset[str], node: str) -> StatusView:
    """With those volumes that were asked for."""

    def wanted(line: VolumeLine) -> bool:
        return (not states or line.state.lower() in states) and (not node or node in line.node.split(", "))

    return msgspec.structs.replace(found, volumes=tuple(each for each in found.volumes if wanted(each)))


def _check() -> Health:
    try:
        health, line = judged(ask(operator.STATUS, Empty()))
    except Unanswered as error:
        health, line = Health.UNKNOWN, f"REBERTH UNKNOWN - {error}".replace("\n", " ")
    typer.echo(line)
    return health

"""The commands. What only one of them needs is imported when it is used."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console

from controller.cli.client import Unanswered, ask
from controller.desk import Confirm, Explain, Pause, Told
from controller.explain import Explanation, StatusView
from controller.wire import Empty

app = typer.Typer(
    help="Reberth moves a stateful Swarm task's disk with the task.", no_args_is_help=True, add_completion=False
)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

Json = Annotated[bool, typer.Option("--json", help="Print JSON (docs/explain.md).")]


@app.command()
def status(json: Json = False) -> None:
    """All volumes: where each is, and why."""
    found = ask("/v1/manager/status", Empty(), StatusView)
    if json:
        _print_json(found)
    else:
        _show().show_status(_console(), found)


@app.command()
def explain(volume: str, json: Json = False) -> None:
    """One volume: what was decided, on which evidence, what happened, and what you can do."""
    found = ask("/v1/manager/explain", Explain(volume), Explanation)
    if json:
        _print_json(found)
    else:
        _show().show_explanation(_console(), found)


@app.command("confirm-dead")
def confirm_dead(
    node: Annotated[str, typer.Argument(help="Hostname or ID of a node that is not ready.")],
    reason: Annotated[str, typer.Option(help="How you know that its VM can never write again.")],
) -> None:
    """Vouch that a node's VM is dead, where no system can prove it. A mistake here costs data."""
    print(ask("/v1/manager/confirm", Confirm(node, reason, _who()), Told).text)  # noqa: T201


@app.command()
def pause(reason: Annotated[str, typer.Option(help="Shown to whoever waits.")]) -> None:
    """Do nothing about any volume until `reberth resume`."""
    print(ask("/v1/manager/pause", Pause(reason), Told).text)  # noqa: T201


@app.command()
def resume() -> None:
    """End a pause."""
    print(ask("/v1/manager/pause", Pause(), Told).text)  # noqa: T201


@app.command()
def controller() -> None:
    """Run the controller (a Swarm service on managers)."""
    sys.exit(import_module("controller.app").main())


@app.command()
def gate() -> None:
    """Run the gate (a Docker plugin on each node)."""
    sys.exit(import_module("controller.gate.app").main())


@app.command()
def node() -> None:
    """Run the node service (a Swarm service on every node)."""
    sys.exit(import_module("controller.gate.service").main())


@app.command(context_settings=_PASS_ON)
def lab(context: typer.Context) -> None:
    """A whole Swarm on this machine, to play with (`reberth lab --help`)."""
    _hand_over("deploy.lab.cli", "lab", context.args)


@app.command(context_settings=_PASS_ON)
def drill(context: typer.Context) -> None:
    """Break something on purpose and watch the recovery (`reberth drill --help`)."""
    _hand_over("deploy.drill.cli", "drill", context.args)


def _hand_over(module: str, name: str, arguments: Sequence[str]) -> None:
    """Tools for a checkout; the image is without them, and without what they need."""
    try:
        tool: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise Unanswered(
            f"`reberth {name}` is not part of this installation ({error}): use a checkout of the project, `make setup`"
        ) from error
    tool.app(args=list(arguments), prog_name=f"reberth {name}")


def _show() -> Any:
    return import_module("controller.cli.show")


def _console() -> Console:
    return Console()


def _print_json(found: StatusView | Explanation) -> None:
    import msgspec  # noqa: PLC0415

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def _who() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "root"

"""`reberth snapshot create|list|delete|restore`: what a volume was at one time, kept, and taken back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from controller.cli.app import Json, Output, Yes, app, must_type, show, who
from controller.cli.client import Exit, Unanswered, ask
from controller.cli.completion import Volume, volumes
from controller.cli.durations import seconds
from controller.cli.forms import Form
from controller.cli.show import show_snapshots
from controller.protocol import operator
from controller.protocol.views import SnapshotView

EVERY = 0.5  # seconds

Wait = Annotated[str, typer.Option(help="How long to wait for the end: 90s, 10m.")]
Found = Callable[[SnapshotView | None], bool]

group = typer.Typer(no_args_is_help=True)
app.add_typer(
    group, name="snapshot", help="Snapshots of a volume, also of one that is in use: create, list, delete, restore."
)


@group.command("create")
def create(
    volume: Volume,
    name: Annotated[str, typer.Argument(help="Without one: of the time.")] = "",
    wait: Wait = "10m",
) -> None:
    """Keep what a volume has now, as after a loss of power, and wait until that is there."""
    made = ask(operator.MAKE_SNAPSHOT, operator.MakeSnapshot(volume, name, who()))
    found = _until(volume, made.name, seconds(wait), lambda each: each is None or each.state != "wanted")
    if found is None or found.state != "there":
        why = "somebody has deleted it" if found is None else found.why
        raise Unanswered(f"snapshot {made.name} of volume {volume} was not made: {why}", Exit.REFUSED)
    typer.echo(f"snapshot {made.name} of volume {volume} is there")


@group.command("list")
def listed(
    volume: Annotated[str, typer.Argument(autocompletion=volumes, help="Without one: of all.")] = "",
    json: Json = False,
    output: Output = Form.TABLE,
) -> None:
    """All snapshots, oldest first, with what keeps one from being made, or a volume from being restored."""
    show(ask(operator.SNAPSHOTS, operator.ListSnapshots(volume)), show_snapshots, output, json=json)


@group.command("delete")
def delete(volume: Volume, name: str, yes: Yes = False) -> None:
    """Delete a snapshot. There is no way back."""
    if not yes:
        must_type(name)
    typer.echo(ask(operator.DELETE_SNAPSHOT, operator.DeleteSnapshot(volume, name, who())).text)


@group.command("restore")
def restore(
    volume: Volume,
    name: Annotated[str, typer.Argument(help="Not with --end.")] = "",
    end: Annotated[bool, typer.Option("--end", help="Give up a restore that does not come to its end.")] = False,
    yes: Yes = False,
    wait: Wait = "10m",
) -> None:
    """Take a volume that nobody uses back to a snapshot. What it has now is kept as another one."""
    if end:
        typer.echo(ask(operator.RESTORE_SNAPSHOT, operator.RestoreSnapshot(volume, "", who())).text)
        return
    if not name:
        raise typer.BadParameter("say which snapshot: reberth snapshot restore VOLUME NAME")
    if not yes:
        must_type(volume)
    before = {each.name for each in _all(volume)}
    typer.echo(ask(operator.RESTORE_SNAPSHOT, operator.RestoreSnapshot(volume, name, who())).text)
    _until(volume, name, seconds(wait), lambda each: each is None or not each.restoring)
    kept = [each.name for each in _all(volume) if each.state == "there" and each.name not in before]
    if not kept:
        raise Unanswered(f"volume {volume} was not restored: somebody has given that up", Exit.REFUSED)
    typer.echo(f"volume {volume} is as its snapshot {name}; what it had is snapshot {', '.join(kept)}")


def _all(volume: str) -> tuple[SnapshotView, ...]:
    return ask(operator.SNAPSHOTS, operator.ListSnapshots(volume)).snapshots


def _until(volume: str, name: str, limit: float, over: Found) -> SnapshotView | None:
    """Says each reason once. Raises Unanswered at the end of the time."""
    ends, told = time.monotonic() + limit, set[str]()
    while True:
        found = next((each for each in _all(volume) if each.name == name), None)
        if over(found):
            return found
        why = "" if found is None else found.why
        if why and why not in told:
            told.add(why)
            typer.echo(why)
        if time.monotonic() > ends:
            raise Unanswered(f"not over after {limit:.0f} s; it goes on: {why or 'no reason is known'}", Exit.REFUSED)
        time.sleep(EVERY)

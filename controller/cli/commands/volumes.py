"""`reberth remove`, and the way back from it; `reberth adopt` and `grow`; and what may be asked of a volume at all."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from controller.cli.app import Json, Output, Yes, app, must_type, show, who
from controller.cli.client import ask
from controller.cli.completion import Volume
from controller.cli.forms import Form
from controller.cli.show import show_options
from controller.protocol import endpoints, operator
from controller.protocol.messages import Empty, RemoveVolume


@app.command()
def remove(
    volume: Volume,
    now: Annotated[bool, typer.Option("--now", help="Delete its disk at once: there is no way back.")] = False,
    yes: Yes = False,
) -> None:
    """Remove a volume as `docker volume rm` does. Its disk is kept for a while ([volumes] keep_removed)."""
    if not yes:
        must_type(volume)
    ask(endpoints.REMOVE_VOLUME, RemoveVolume(volume, now))
    typer.echo(f"volume {volume} is being removed")


@app.command()
def undelete(volume: Volume) -> None:
    """Take a removal back while the disk is still kept: the volume is as it was."""
    typer.echo(ask(operator.UNDELETE, operator.Undelete(volume, who())).text)


@app.command()
def adopt(
    volume: str,
    disk: Annotated[str, typer.Option(help="Its key: `reberth explain` names it, the storage's file is called so.")],
    size: Annotated[str, typer.Option(help="As it was asked for when the disk was made, like 10GiB.")] = "",
    fstype: Annotated[str, typer.Option(help="ext4 or xfs.")] = "",
    yes: Yes = False,
) -> None:
    """Give a volume a disk that no record knows, with the data on it. It is never formatted."""
    if not yes:
        typer.echo(f"Disk {disk} becomes volume {volume}. Be sure that no other swarm uses that disk.")
        must_type(volume)
    typer.echo(ask(operator.ADOPT, operator.Adopt(volume, disk, size, fstype, who())).text)


@app.command()
def grow(volume: str, size: str) -> None:
    """Make a volume larger, also while a service uses it. SIZE as in driver_opts, like 20GiB. It never shrinks."""
    typer.echo(ask(operator.GROW, operator.Grow(volume, size, who())).text)


class About(Enum):
    OPTIONS = "options"


@app.command()
def driver(about: About, json: Json = False, output: Output = Form.TABLE) -> None:  # noqa: ARG001 -- there is one so far
    """`driver options`: all options of a volume, with units and defaults, and what the storage driver can."""
    show(ask(operator.DRIVER, Empty()), show_options, output, json=json)

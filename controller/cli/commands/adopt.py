"""`reberth adopt`."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.app import Yes, app, must_type, who
from controller.cli.client import ask
from controller.protocol import operator


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

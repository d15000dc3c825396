"""`reberth export` and `reberth import`."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from controller.cli.app import app, who
from controller.cli.client import Unanswered, ask
from controller.json_errors import NOT_JSON
from controller.protocol import operator
from controller.protocol.messages import Empty
from controller.protocol.operator import Backup

FORM = 1


@app.command("export")
def export() -> None:
    """Write the records of all volumes to standard output: a backup for `reberth import`. No data is in it."""
    found = ask(operator.EXPORT, Empty())
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    sys.stdout.flush()
    _tell(found.missing, "not in the backup: ")
    if found.missing:
        raise typer.Exit(1)


@app.command("import")
def bring_back(
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
) -> None:
    """Bring records back from a backup on standard input, where none are. Disks are asked for, and never changed."""
    found = backup(sys.stdin.buffer.read())
    refused = False
    if not check and (found.paused is not None or found.paused_parts):
        typer.echo("what was paused when the backup was made is paused again: see `reberth status`", err=True)
    for start in range(0, len(found.records), operator.IMPORTED_AT_ONCE):
        some = found.records[start : start + operator.IMPORTED_AT_ONCE]
        asked = operator.Import(found.epoch, some, check, who(), found.paused, found.paused_parts)
        told = ask(operator.IMPORT, asked)
        for text in told.taken:
            typer.echo(text)
        _tell(told.refused, "refused: ")
        refused = refused or bool(told.refused)
    if refused:
        raise typer.Exit(1)


def backup(text: bytes) -> Backup:
    """Raises Unanswered."""
    try:
        found = msgspec.json.decode(text, type=Backup)
    except NOT_JSON as error:
        raise Unanswered(
            f"standard input is no backup ({error}): give it what `reberth export` wrote, as in\n"
            "  docker exec -i CONTAINER reberth import <reberth.json"
        ) from error
    if found.backup != FORM:
        raise Unanswered(f"the backup has form {found.backup}, this version knows {FORM}: use the one that wrote it")
    return found


def _tell(texts: tuple[str, ...], before: str) -> None:
    for text in texts:
        typer.echo(before + text, err=True)

"""`reberth version` and `reberth support-bundle`: what whoever helps wants to know."""

from __future__ import annotations

import os
import platform
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from controller.cli.app import Json, Output, app, show
from controller.cli.bundle import packed, paths_in, scrubbed, secrets_in, without_secrets
from controller.cli.client import Unanswered, ask
from controller.cli.forms import Form, written
from controller.names import own_version
from controller.protocol import operator
from controller.protocol.messages import Empty
from controller.settings import DEFAULT_FILE

SECRETS = Path("/run/secrets")  # where Docker puts them
_LOGS = """The log is not in here. On a manager:
  docker service logs --raw --since 24h reberth_controller
  docker service logs --raw --since 24h reberth_node
and on the node concerned: journalctl -u docker --since -24h (the gate's lines have its plugin's name).
"""


class Versions(msgspec.Struct, frozen=True):
    """``acting``: of the acting controller; None where none answers, ``why`` then says it."""

    command: str
    acting: str | None
    holder: str = ""
    gates: dict[str, str] = {}  # as each node's node service last said
    why: str = ""
    gate_versions: dict[str, str] = {}  # of the gates that spoke to the acting controller


@app.command()
def version(json: Json = False, output: Output = Form.TABLE) -> None:
    """Of this command and of the controller that acts, and what each node's gate runs."""
    show(found(), _draw, output, json=json)


def found() -> Versions:
    own = own_version()
    try:
        status = ask(operator.STATUS, Empty())
    except Unanswered as error:
        return Versions(own, None, why=str(error))
    gates = {each.node: each.gate for each in status.nodes}
    versions = {each.node: each.gate_version for each in status.nodes if each.gate_version}
    return Versions(own, status.version or "older than this command", status.holder, gates, gate_versions=versions)


def _draw(_: Console, versions: Versions) -> None:
    typer.echo(f"reberth {versions.command}")
    if versions.acting is None:
        typer.echo(f"controller: {versions.why}")
        return
    typer.echo(f"controller {versions.acting} (acting: {versions.holder})")
    if versions.acting != versions.command:
        typer.echo("They differ: an upgrade is under way, or not finished (`reberth upgrade`).")
    for node, gate in sorted(versions.gates.items()):
        typer.echo(f"gate of {node}: {' '.join((*_known(versions.gate_versions.get(node)), gate))}")


def _known(version: str | None) -> tuple[str, ...]:
    return (f"{version},",) if version else ()


@app.command("support-bundle")
def support_bundle(
    to: Annotated[Path, typer.Argument(help="File to write; - is standard output.")] = Path("-"),
) -> None:
    """What the controller says and its settings as a tar.gz, without secrets: for whoever helps."""
    name = time.strftime("reberth-support-%Y%m%d-%H%M%S", time.gmtime())
    bundle = packed(files(), name)
    if str(to) != "-":
        to.touch(mode=0o600)
        to.write_bytes(bundle)
        typer.echo(f"{to}: {len(bundle)} bytes")
        return
    if sys.stdout.isatty():
        raise Unanswered("nothing was written: say a file, or send it there: reberth support-bundle > bundle.tar.gz")
    sys.stdout.buffer.write(bundle)


def files() -> dict[str, str]:
    """Name -> text. What could not be had is in there as the reason."""
    settings = _settings()
    secrets = secrets_in([SECRETS, *paths_in(settings)])
    gathered = {**dict(_gathered()), "settings.json": written(without_secrets(settings), Form.JSON), "LOGS.txt": _LOGS}
    return {name: scrubbed(text, secrets) for name, text in gathered.items()}


def _gathered() -> Iterator[tuple[str, str]]:
    yield "versions.json", written(found(), Form.JSON)
    yield "system.json", written({"system": platform.platform(), "python": platform.python_version()}, Form.JSON)
    yield "status.json", _text(partial(ask, operator.STATUS, Empty()))
    yield "doctor.json", _text(partial(ask, operator.DOCTOR, Empty()))
    yield "upgrade.json", _text(partial(ask, operator.UPGRADE, Empty()))
    yield "history.json", _text(partial(ask, operator.HISTORY, operator.History()))
    yield "plan.json", _text(partial(ask, operator.PLAN, operator.Plan()))
    try:
        names = [each.volume for each in ask(operator.STATUS, Empty()).volumes]
    except Unanswered:
        return
    for number, name in enumerate(names):
        yield f"volumes/{number:04}.json", _text(partial(ask, operator.EXPLAIN, operator.Explain(name)))


def _text(asked: Callable[[], msgspec.Struct]) -> str:
    try:
        return written(asked(), Form.JSON)
    except Unanswered as error:
        return written({"unanswered": str(error)}, Form.JSON)


def _settings() -> object:
    """As in the file and the variables, also where they are wrong."""
    file = Path(os.environ.get("REBERTH_CONFIG") or DEFAULT_FILE)
    own = {name: value for name, value in sorted(os.environ.items()) if name.startswith("REBERTH_")}
    try:
        return {"file": tomllib.loads(file.read_text("utf-8")), "variables": own}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {"file": {}, "variables": own, "unread": f"{type(error).__name__} of {file}"}

"""What all commands share: the application that each adds itself to, how answers are printed, and when to ask."""

from __future__ import annotations

import getpass
import os
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from controller.cli import remote
from controller.cli.client import Unanswered
from controller.cli.forms import Form, written

COMMANDS = "controller.cli.commands"
WIDE = 4000  # columns: more than any line has, so that no cell of a table is broken
PIPED = WIDE // 2  # the same, with the usual columns: for a file, or another program

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="The same as -o json (docs/explain.md).")]
Output = Annotated[Form, typer.Option("-o", "--output", help="wide: nothing is broken into lines, and more columns.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts.")]

T = TypeVar("T")
_TLS = "with --host; default {} in $REBERTH_CERT_PATH, or in ~/.reberth"


@app.callback()
def from_afar(
    host: Annotated[str, typer.Option("--host", "-H", help="HOST:PORT of a manager, or several: a,b,c.")] = "",
    tlscacert: Annotated[str, typer.Option(help=f"The swarm's root certificate, {_TLS.format('ca.pem')}.")] = "",
    tlscert: Annotated[str, typer.Option(help=f"Your certificate, {_TLS.format('cert.pem')}.")] = "",
    tlskey: Annotated[str, typer.Option(help=f"Its key, {_TLS.format('key.pem')}.")] = "",
) -> None:
    """Reberth moves a stateful Swarm task's disk with the task."""
    said = {remote.HOST: host, remote.CA: tlscacert, remote.CERTIFICATE: tlscert, remote.KEY: tlskey}
    os.environ.update({name: value for name, value in said.items() if value})  # a flag is a variable for this process


def load() -> typer.Typer:
    """With every command: each is a module that adds itself when it is imported."""
    for each in pkgutil.iter_modules(import_module(COMMANDS).__path__):
        import_module(f"{COMMANDS}.{each.name}")
    return app


def show(found: T, picture: Callable[[Console, T], None], form: Form, *, json: bool = False) -> None:
    """An answer for a person, or as it came."""
    form = Form.JSON if json else form
    if form.drawn:
        picture(_console(form), found)
    else:
        sys.stdout.write(written(found, form))


def _console(form: Form) -> Console:
    if form is Form.WIDE:
        return Console(width=WIDE)
    return Console() if sys.stdout.isatty() else Console(width=PIPED)


def must_type(name: str) -> None:
    """A person goes on by typing the name of what is at stake. Raises Unanswered."""
    if not sys.stdin.isatty():
        raise Unanswered(f"nothing was done: this asks for {name} at a terminal (`docker exec -it`); or say --yes")
    if typer.prompt(f"Type {name} to go on") != name:
        raise Unanswered("nothing was done: that is another name")


def who() -> str:
    """The person at the terminal, as far as the system knows."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "root"

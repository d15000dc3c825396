"""`reberth lab`: keep a lab for playing, and break it by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.lab import cleanup, swarm
from deploy.lab.debian.packages import ensure_packages
from deploy.lab.lab import Lab
from deploy.lab.names import LabError, LabNode, LabSpec

app = typer.Typer(
    name="lab",
    help="A whole Swarm on this machine: real dockerds in namespaces, with disks and power buttons.",
    no_args_is_help=True,
)
_out = Console()
_errors = Console(stderr=True)
_DEFAULT = LabSpec()

Name = Annotated[str, typer.Option("--name", help="Which lab.")]
Node = Annotated[str, typer.Argument(metavar="NODE", help="Such as swarm01.")]
_COLOURS = {"on": "green", "off": "red", "frozen": "cyan", "ready": "green", "down": "red"}


@contextmanager
def _explained() -> Iterator[None]:
    """A LabError is for the user: one sentence, no traceback."""
    try:
        yield
    except LabError as error:
        _errors.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from error


def _lab(name: str) -> Lab:
    lab = Lab.find(name)
    if lab is None:
        raise LabError(f"There is no lab {name!r}: `reberth lab up` makes one.")
    return lab


@app.command()
def up(
    name: Name = _DEFAULT.name,
    managers: Annotated[int, typer.Option(help="Nodes that are managers; an odd number.")] = _DEFAULT.managers,
    workers: Annotated[int, typer.Option(help="Nodes that are workers.")] = _DEFAULT.workers,
    heartbeat: Annotated[str, typer.Option(help="Of Swarm; a node is down after three.")] = _DEFAULT.heartbeat,
    subnet: Annotated[str, typer.Option(help="The lab's own network.")] = _DEFAULT.subnet,
    cache: Annotated[Path, typer.Option(help="Folder for images, kept when the lab goes.")] = _DEFAULT.cache,
) -> None:
    """Make a lab, or complete and start the one that is there."""
    with _explained():
        ensure_packages(_say)
        with _out.status("Making the lab ..."):
            lab = Lab.up(LabSpec(name, managers, workers, heartbeat, subnet, cache), _say)
        _out.print(_table(lab))
        socket = lab.nodes[0].socket
        _out.print(f"Talk to it:  [bold]docker -H unix://{socket} node ls[/bold]", highlight=False, soft_wrap=True)


def _say(sentence: str) -> None:
    _out.print(f"  {sentence}", highlight=False)


@app.command()
def status(name: Name = _DEFAULT.name) -> None:
    """The nodes, their power, what Swarm thinks of them, and their disks."""
    with _explained():
        _out.print(_table(_lab(name)))


def _table(lab: Lab) -> Table:
    table = Table("node", "address", "role", "power", "swarm", "disks", title=f"lab {lab.spec.name}")
    states = _swarm_states(lab)
    held = lab.attachments()
    for node in lab.nodes:
        power = lab.power(node.name)
        table.add_row(
            node.name,
            node.address,
            "manager" if node.manager else "worker",
            _coloured(power),
            _coloured(states.get(node.name, "?")),
            " ".join(sorted(disk for disk, vm in held.items() if vm == node.vm)) or "-",
        )
    return table


def _coloured(word: str) -> str:
    return f"[{_COLOURS.get(word, 'yellow')}]{word}[/]"


def _swarm_states(lab: Lab) -> dict[str, str]:
    """As the first manager that answers sees them; empty when none does."""
    for node in lab.nodes:
        if node.manager and lab.power(node.name) == "on":
            with suppress(*swarm.NO_ANSWER):
                return swarm.states(node, seconds=5)
    return {}


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    node: Node,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="Runs inside the node.")],
    name: Name = _DEFAULT.name,
) -> None:
    """Run a command inside a node, with this terminal."""
    with _explained():
        program = _lab(name).exec_command(node, command)
    raise typer.Exit(subprocess.run(program, check=False).returncode)


def _press(name: str, node: str, action: str, says: str) -> None:
    with _explained():
        lab = _lab(name)
        known: LabNode = lab.node(node)
        lab.host.act(known.name, action)
        _out.print(f"{node} {says}.", highlight=False)


@app.command()
def power_off(node: Node, name: Name = _DEFAULT.name) -> None:
    """Pull the plug: what was not synced to a disk is lost."""
    _press(name, node, "power-off", "is off: every process of it is gone")


@app.command()
def power_on(node: Node, name: Name = _DEFAULT.name) -> None:
    """Start a node again: same data and address, new boot."""
    _press(name, node, "power-on", "is on; its dockerd needs some seconds")


@app.command()
def freeze(node: Node, name: Name = _DEFAULT.name) -> None:
    """Stop every process of a node, as a hypervisor that stalls does."""
    _press(name, node, "freeze", "is frozen")


@app.command()
def thaw(node: Node, name: Name = _DEFAULT.name) -> None:
    """Let a frozen node go on."""
    _press(name, node, "thaw", "goes on")


@app.command()
def cut(node: Node, name: Name = _DEFAULT.name) -> None:
    """Cut a node off the network; it goes on running."""
    _press(name, node, "cut", "is cut off")


@app.command()
def heal(node: Node, name: Name = _DEFAULT.name) -> None:
    """Connect a node that was cut off."""
    _press(name, node, "heal", "is connected again")


@app.command()
def down(
    name: Name = _DEFAULT.name,
    every: Annotated[bool, typer.Option("--all", help="Every lab on this machine, whatever its name.")] = False,
) -> None:
    """Remove a lab and all it made, but the image cache; from any half state."""
    with _explained():
        for each in cleanup.labs() if every else (name,):
            there = bool(cleanup.leftovers(each))
            Lab.remove(each)
            _out.print(f"The lab {each} {'is gone' if there else 'was not there'}; nothing is left.", highlight=False)


if __name__ == "__main__":
    app()

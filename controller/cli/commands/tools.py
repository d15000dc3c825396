"""Tools that ask no controller. `lab`, `drill` and `chaos` are for a checkout; the image is without them."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from controller.cli.app import app
from controller.cli.client import Unanswered
from controller.settings import DEFAULT_FILE

# As demo.Trouble: that module has the planner, which no other command needs.
Happening = Literal["power", "network", "host"]
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command(context_settings=_PASS_ON)
def lab(context: typer.Context) -> None:
    """A whole Swarm on this machine, to play with (`reberth lab --help`)."""
    _hand_over("deploy.lab.cli", "lab", context.args)


@app.command(context_settings=_PASS_ON)
def drill(context: typer.Context) -> None:
    """Break something on purpose and watch the recovery (`reberth drill --help`)."""
    _hand_over("deploy.drill.cli", "drill", context.args)


@app.command(context_settings=_PASS_ON)
def chaos(context: typer.Context) -> None:
    """Break anything, in any order, and check everything (`reberth chaos --help`)."""
    _hand_over("deploy.drill.chaos.cli", "chaos", context.args)


@app.command()
def demo(
    trouble: Annotated[
        Happening, typer.Option(help="What happens: power lost, network lost, or its host not seen.")
    ] = "power",
    at_once: Annotated[bool, typer.Option("--at-once", help="Without pauses.")] = False,
) -> None:
    """A failover in memory, played in the terminal: no swarm, no root. The planner is the real one."""
    asyncio.run(_demo(trouble, 0.0 if at_once else 1.0))


async def _demo(trouble: Happening, pace: float) -> None:
    from controller.cli.demo import Trouble, play, set_up, verdict  # noqa: PLC0415

    stage = await set_up()
    moved = await play(stage, Trouble(trouble), typer.echo, lambda seconds: asyncio.sleep(seconds * pace))
    typer.echo(verdict(stage, moved=moved))
    typer.echo("With real daemons, disks and PostgreSQL: `reberth drill`, in a checkout.")


def _hand_over(module: str, name: str, arguments: Sequence[str]) -> None:
    try:
        tool: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise Unanswered(
            f"`reberth {name}` is not part of this installation ({error}): use a checkout of the project, `make setup`"
        ) from error
    tool.app(args=list(arguments), prog_name=f"reberth {name}")


class Question(Enum):
    PROBE = "probe"


_SCRATCH = "Name or SMBIOS UUID of a test VM that is no node: a disk is attached, detached and deleted there."


@app.command()
def vsphere(
    question: Annotated[Question, typer.Argument(help="What to do.")],  # noqa: ARG001 - there is one so far
    config: Annotated[Path, typer.Option(help="The controller's settings.")] = DEFAULT_FILE,
    scratch_vm: Annotated[str | None, typer.Option(help=_SCRATCH)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this file, not to the terminal.")] = None,
) -> None:
    """`vsphere probe`: ask vCenter what only a real one can tell, and write a report without names."""
    try:
        settings = import_module("drivers.vsphere.settings").Settings.parse(_section(config))
        found: Any = asyncio.run(import_module("drivers.vsphere.probe").probe(settings, version("reberth"), scratch_vm))
    except ValueError as error:
        raise Unanswered(str(error)) from error
    text = msgspec.json.format(msgspec.json.encode(found)) + b"\n"
    if out is None:
        sys.stdout.buffer.write(text)
    else:
        out.write_bytes(text)
        sys.stdout.write(f"{out}: read it before you send it; names, addresses and UUIDs are invented ones\n")


def _section(config: Path) -> Mapping[str, object]:
    try:
        found: object = tomllib.loads(config.read_text(encoding="utf-8")).get("storage", {}).get("vsphere")
    except (OSError, ValueError, AttributeError) as error:
        raise Unanswered(f"{config} cannot be read: {error}: name the controller's settings with --config") from error
    if not isinstance(found, dict):
        raise Unanswered(f"{config} has no section [storage.vsphere]: name the controller's settings with --config")
    return found

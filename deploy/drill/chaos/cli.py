"""`reberth chaos`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deploy.drill.chaos.schedule import Episode, Kind, episode, episodes, shrink
from deploy.drill.errors import DrillError, Interrupted
from deploy.drill.progress import Progress
from deploy.drill.runner import EXPECTED, INTERRUPTED
from deploy.drill.settings import DrillSettings

if TYPE_CHECKING:
    from deploy.drill.chaos.report import ChaosReport
    from deploy.drill.chaos.runner import Chaos

app = typer.Typer(help="Break anything, in any order, and check everything.")
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}


def minutes(text: str) -> float:
    """30m, 1h, 90s. Raises DrillError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise DrillError(f"--for is {text!r}; write for example 30m, 1h or 90s")
    return float(found.group(1)) * _MINUTES[found.group(2)]


def kinds(faults: str) -> tuple[Kind, ...]:
    """Those that were named, or all. Raises DrillError."""
    from deploy.drill.chaos.faults.catalogue import FAULTS, KINDS  # noqa: PLC0415 -- the lab is not in the image

    names = [name for name in faults.split(",") if name]
    if strange := [name for name in names if name not in FAULTS]:
        raise DrillError(f"there is no fault {', '.join(strange)}; there is {', '.join(FAULTS)}")
    return tuple(FAULTS[name].kind for name in names) or KINDS


def chosen(seed: int, only: str, nodes: list[str], among: Sequence[Kind]) -> list[Episode] | None:
    """The episodes that were named; None for all of them. Raises DrillError."""
    if not only:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", only):
        raise DrillError(f"--only is {only!r}; write the numbers of episodes, for example 3,7")
    return [episode(seed, int(number), among, nodes) for number in only.split(",")]


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A report, or its folder.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Two runs side by side. Ends with 1 where a fault failed in the second that did not in the first."""
    from deploy.drill.chaos import compare as compared  # noqa: PLC0415 -- as the lab's packages

    console = Console(highlight=False)
    try:
        old, new = compared.read(before), compared.read(after)
    except DrillError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    console.print(compared.table(old, new))
    found = list(compared.worse(old, new))
    for sentence in found:
        console.print(sentence, style="red", markup=False)
    raise typer.Exit(1 if found else 0)


@app.callback(invoke_without_command=True)
def chaos(  # noqa: PLR0913 -- each is an option of the command
    context: typer.Context,
    lasting: Annotated[str, typer.Option("--for", help="How long: 30m, 1h.")] = "30m",
    seed: Annotated[int | None, typer.Option(help="Play the same episodes again.")] = None,
    only: Annotated[str, typer.Option(help="Numbers of episodes of that seed: 3,7.")] = "",
    faults: Annotated[str, typer.Option(help="Only these, by name: loss,rejoin. Changes what a seed gives.")] = "",
    report: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("chaos-report"),
    *,
    name: Annotated[str, typer.Option(help="Name of the lab that is made for it.")] = "chaos",
    subnet: Annotated[str, typer.Option(help="Addresses of the lab.")] = "10.79.0.0/24",
    within: Annotated[float, typer.Option(help="Seconds after the last cure for all to be well again.")] = 300.0,
    databases: Annotated[bool, typer.Option(help="MariaDB and Redis write, too.")] = True,
    load: Annotated[int, typer.Option(help="Clients that move money in PostgreSQL, as pgbench's do.", min=0)] = 2,
    smaller: Annotated[
        bool, typer.Option("--shrink", help="Make the episode that fails smaller, on new labs.")
    ] = False,
) -> None:
    """Overlapping faults from a seed, several writers, and an audit after each episode."""
    from deploy.drill.chaos.runner import Chaos  # noqa: PLC0415 -- the lab's packages are not in the image

    if context.invoked_subcommand is not None:
        return
    number = seed if seed is not None else random.randrange(10**6)  # noqa: S311 -- no secret
    settings = DrillSettings(
        storage="lab", name=name, subnet=subnet, heartbeat="1s", delay="0s", patience=within, report=report.resolve()
    )
    console = Console(highlight=False)
    try:
        least, among, nodes = minutes(lasting), kinds(faults), _nodes(settings)
        named = chosen(number, only, nodes, among)
        run = Chaos(settings, number, Progress(console), databases, load)
        found = _run(run, named if named is not None else episodes(number, among, nodes), least, console)
        if smaller and found.verdict != "pass":
            failed = episode(number, found.entries[-1].number, among, nodes)
            console.print(f"the smallest that fails: {shrink(failed, run.fails)}")
        raise typer.Exit(0 if found.verdict == "pass" else 1)
    except Interrupted:
        raise typer.Exit(INTERRUPTED) from None
    except EXPECTED as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None


def _nodes(settings: DrillSettings) -> list[str]:
    return [f"swarm{number + 1:02}" for number in range(settings.managers)]


def _run(run: Chaos, played: Iterable[Episode], lasting: float, console: Console) -> ChaosReport:
    seed, report = run.seed, run.settings.report
    console.print(f"seed {seed}; `reberth chaos --seed {seed} --only NUMBER` plays one episode again")
    found = run.run(played, lasting)
    console.print(f"{found.verdict}: {report / 'chaos.html'}")
    return found

"""`reberth chaos`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from deploy.drill.chaos.outside.settings import OutsideSettings
from deploy.drill.chaos.schedule import Episode, Kind, episode, episodes, shrink
from deploy.drill.cli import options, readable
from deploy.drill.errors import DrillError, Interrupted
from deploy.drill.progress import Progress
from deploy.drill.runner import EXPECTED, INTERRUPTED
from deploy.drill.settings import DrillSettings

if TYPE_CHECKING:
    from deploy.drill.chaos.faults.base import ChaosFault
    from deploy.drill.chaos.report import ChaosReport
    from deploy.drill.chaos.runner import Chaos

app = typer.Typer(help="Break anything, in any order, and check everything.")
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smh])")
Made = tuple["Chaos", list[str]]
"""A run, and the nodes that it may break."""
_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}


def minutes(text: str) -> float:
    """30m, 1h, 90s. Raises DrillError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise DrillError(f"--for is {text!r}; write for example 30m, 1h or 90s")
    return float(found.group(1)) * _MINUTES[found.group(2)]


def kinds(faults: str, known: Mapping[str, ChaosFault]) -> tuple[Kind, ...]:
    """Those that were named, or all. Raises DrillError."""
    names = [name for name in faults.split(",") if name]
    if strange := [name for name in names if name not in known]:
        raise DrillError(f"there is no fault {', '.join(strange)}; there is {', '.join(known)}")
    return tuple(known[name].kind for name in names) or tuple(each.kind for each in known.values())


def chosen(seed: int, only: str, nodes: list[str], among: Sequence[Kind]) -> list[Episode] | None:
    """The episodes that were named; None for all of them. Raises DrillError."""
    if not only:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", only):
        raise DrillError(f"--only is {only!r}; write the numbers of episodes, for example 3,7")
    return [episode(seed, int(number), among, nodes) for number in only.split(",")]


def check(far: OutsideSettings, *, on_swarm: bool, smaller: bool) -> None:
    """Raises DrillError."""
    if not on_swarm and far != OutsideSettings():
        raise DrillError("options of a swarm that is there were said without --on-swarm: nothing was done")
    if on_swarm and smaller:
        raise DrillError("--shrink needs a new lab for each try: it does not go with --on-swarm")


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


def chaos(  # noqa: PLR0913 -- each is an option of the command
    called: typer.Context,
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
    on_swarm: Annotated[
        bool, typer.Option("--on-swarm", help="No lab: on the swarm of a Docker context. What follows goes with it.")
    ] = False,
    **outside: Any,
) -> None:
    """Overlapping faults from a seed, several writers, and an audit after each episode."""
    if called.invoked_subcommand is not None:
        return
    number = seed if seed is not None else random.randrange(10**6)  # noqa: S311 -- no secret
    settings = DrillSettings(
        storage="lab", name=name, subnet=subnet, heartbeat="1s", delay="0s", patience=within, report=report.resolve()
    )
    console = Console(highlight=False)
    try:
        least, far = minutes(lasting), OutsideSettings(**outside)
        check(far, on_swarm=on_swarm, smaller=smaller)
        make = _outside if on_swarm else _on_a_lab
        run, nodes = make(far, settings, number, console)
        run.databases, run.load = databases, load
        among = kinds(faults, run.faults)
        named = chosen(number, only, nodes, among)
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


def _on_a_lab(_: OutsideSettings, settings: DrillSettings, seed: int, console: Console) -> Made:
    from deploy.drill.chaos.runner import Chaos  # noqa: PLC0415 -- the lab's packages are not in the image

    nodes = [f"swarm{number + 1:02}" for number in range(settings.managers)]
    return Chaos(settings, seed, Progress(console)), nodes


def _outside(far: OutsideSettings, settings: DrillSettings, seed: int, console: Console) -> Made:
    """Looked at, and refused or not; nothing is changed."""
    from deploy.drill.chaos.outside.audit import UNAUDITED  # noqa: PLC0415 -- as the lab's packages
    from deploy.drill.chaos.outside.before import neighbours  # noqa: PLC0415
    from deploy.drill.chaos.outside.faults import faults  # noqa: PLC0415
    from deploy.drill.chaos.outside.runner import OutsideChaos, survey  # noqa: PLC0415

    site = survey(far)
    console.print(f"May be broken: {', '.join(far.breakable)}. Tasks of these run there and will be hit: ", end="")
    console.print(f"{', '.join(neighbours(site.cluster)) or 'none'}.", markup=False)
    run = OutsideChaos(
        settings,
        seed,
        Progress(console),
        faults=faults(switched=far.switches),
        where=f"the swarm of {', '.join(each.name for each in site.lab.engines.values())}",
        unaudited=UNAUDITED,
        site=site,
    )
    return run, list(far.breakable)


def _run(run: Chaos, played: Iterable[Episode], lasting: float, console: Console) -> ChaosReport:
    seed, report = run.seed, run.settings.report
    console.print(f"seed {seed}; `reberth chaos --seed {seed} --only NUMBER` plays one episode again")
    found = run.run(played, lasting)
    for each in found.left:
        console.print(each, style="red", markup=False)
    console.print(f"{found.verdict}: {report / 'chaos.html'}")
    return found


def _command() -> Callable[..., None]:
    own = [
        each for each in signature(chaos, eval_str=True).parameters.values() if each.kind is not Parameter.VAR_KEYWORD
    ]
    return readable(chaos, [*own, *options(OutsideSettings, {})])


app.callback(invoke_without_command=True)(_command())

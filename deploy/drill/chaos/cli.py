"""`reberth chaos`."""

from __future__ import annotations

import random
import re
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.drill.chaos.schedule import Episode, episode, shrink
from deploy.drill.errors import DrillError, Interrupted
from deploy.drill.progress import Progress
from deploy.drill.runner import EXPECTED, INTERRUPTED
from deploy.drill.settings import DrillSettings

app = typer.Typer(help="Break anything, in any order, and check everything.")
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}


def minutes(text: str) -> float:
    """30m, 1h, 90s. Raises DrillError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise DrillError(f"--for is {text!r}; write for example 30m, 1h or 90s")
    return float(found.group(1)) * _MINUTES[found.group(2)]


def chosen(seed: int, only: str, nodes: list[str]) -> list[Episode] | None:
    """The episodes that were named; None for all of them. Raises DrillError."""
    from deploy.drill.chaos.faults import KINDS  # noqa: PLC0415 -- the lab's packages are not in the controller's image

    if not only:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", only):
        raise DrillError(f"--only is {only!r}; write the numbers of episodes, for example 3,7")
    return [episode(seed, int(number), KINDS, nodes) for number in only.split(",")]


@app.callback(invoke_without_command=True)
def chaos(  # noqa: PLR0913 -- each is an option of the command
    lasting: Annotated[str, typer.Option("--for", help="How long: 30m, 1h.")] = "30m",
    seed: Annotated[int | None, typer.Option(help="Play the same episodes again.")] = None,
    only: Annotated[str, typer.Option(help="Numbers of episodes of that seed: 3,7.")] = "",
    report: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("chaos-report"),
    *,
    name: Annotated[str, typer.Option(help="Name of the lab that is made for it.")] = "chaos",
    subnet: Annotated[str, typer.Option(help="Addresses of the lab.")] = "10.79.0.0/24",
    within: Annotated[float, typer.Option(help="Seconds after the last cure for all to be well again.")] = 300.0,
    smaller: Annotated[
        bool, typer.Option("--shrink", help="Make the episode that fails smaller, on new labs.")
    ] = False,
) -> None:
    """Overlapping faults from a seed, several writers, and an audit after each episode."""
    number = seed if seed is not None else random.randrange(10**6)  # noqa: S311 -- no secret
    settings = DrillSettings(
        storage="lab", name=name, subnet=subnet, heartbeat="1s", delay="0s", patience=within, report=report.resolve()
    )
    console = Console(highlight=False)
    try:
        raise typer.Exit(_run(settings, number, minutes(lasting), only, smaller=smaller, console=console))
    except Interrupted:
        raise typer.Exit(INTERRUPTED) from None
    except EXPECTED as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None


def _run(settings: DrillSettings, seed: int, lasting: float, only: str, *, smaller: bool, console: Console) -> int:
    from deploy.drill.chaos.faults import KINDS  # noqa: PLC0415
    from deploy.drill.chaos.runner import Chaos  # noqa: PLC0415

    nodes = [f"swarm{number + 1:02}" for number in range(settings.managers)]
    named = chosen(seed, only, nodes)
    played = named if named is not None else (episode(seed, number, KINDS, nodes) for number in count(1))
    console.print(f"seed {seed}; `reberth chaos --seed {seed} --only NUMBER` plays one episode again")
    run = Chaos(settings, seed, Progress(console))
    found = run.run(played, lasting)
    console.print(f"{found.verdict}: {settings.report / 'chaos.html'}")
    if found.verdict == "pass":
        return 0
    if smaller:
        failed = episode(seed, found.entries[-1].number, KINDS, nodes)
        console.print(f"the smallest that fails: {shrink(failed, run.fails)}")
    return 1

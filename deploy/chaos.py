"""
The chaos script: hits nodes of a lab, chosen or by chance, again and again.

    python -m deploy.chaos power-off swarm02        one fault, now
    python -m deploy.chaos --every 60 --seed 7      power-off, freeze or cut of a node by chance, until Ctrl-C

Never more than one node at a time, and each is well again before the next: a Swarm of three managers bears no more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from deploy.drill.cluster import Cluster, wait_for
from deploy.drill.ground import DrillError, Ground, mend_network

console = Console(highlight=False)
HARM: tuple[str, ...] = ("power-off", "freeze", "cut")
CURE = {"power-off": "power-on", "freeze": "power-on", "cut": "heal"}
WELL_AGAIN = 180.0  # seconds for a node to be ready after its cure


def acts(ground: Ground) -> dict[str, Callable[[str], None]]:
    return {
        "power-off": ground.power_off,
        "power-on": ground.power_on,
        "freeze": ground.freeze,
        "thaw": ground.thaw,
        "cut": ground.cut,
        "heal": ground.heal,
    }


def choose(generator: random.Random, ground: Ground) -> tuple[str, str]:
    """A fault and a node; the same for the same seed."""
    return generator.choice(HARM), generator.choice([machine.name for machine in ground.nodes])


def hit(ground: Ground, fault: str, node: str) -> None:
    """Raises DrillError that names the faults, or the lab's own error for a node that it does not have."""
    known = acts(ground)
    if fault not in known:
        raise DrillError(f"there is no fault {fault!r}; choose one of {', '.join(known)}")
    ground.node(node)
    known[fault](node)


def cure(ground: Ground, fault: str, node: str) -> None:
    """Also of a machine that Reberth fenced meanwhile."""
    if fault == "cut":
        mend_network(ground, node)
    else:
        hit(ground, CURE[fault], node)


def storm(ground: Ground, generator: random.Random, every: float) -> None:
    """Until the process is interrupted."""
    cluster = Cluster(ground)
    while True:
        fault, node = choose(generator, ground)
        console.print(f"{fault} {node}")
        hit(ground, fault, node)
        time.sleep(every)
        console.print(f"{CURE[fault]} {node}")
        cure(ground, fault, node)
        wait_for(cluster.all_ready, WELL_AGAIN)


def _there(ground: Ground | None, name: str) -> Ground:
    if ground is None:
        raise DrillError(f"there is no lab {name!r}: `reberth lab up --name {name}` makes one")
    return ground


def chaos(
    fault: Annotated[str, typer.Argument(help="power-off, power-on, freeze, thaw, cut or heal")] = "",
    node: Annotated[str, typer.Argument(help="which node: swarm01 ...")] = "",
    *,
    name: Annotated[str, typer.Option(help="Name of the lab.")] = "reberth",
    every: Annotated[float, typer.Option(help="Without a fault: seconds that each node stays broken.")] = 60.0,
    seed: Annotated[int | None, typer.Option(help="Repeat what chance chose under this seed.")] = None,
) -> None:
    """Break a node of a lab, or one after the other by chance."""
    from deploy.lab.lab import Lab, LabError  # noqa: PLC0415 -- the lab's packages are not in the controller's image

    try:
        found = _there(Lab.find(name), name)
        if fault:
            hit(found, fault, node)
            return
        chosen = seed if seed is not None else random.randrange(10**6)  # noqa: S311 -- no secret
        console.print(f"seed {chosen}; Ctrl-C ends it")
        storm(found, random.Random(chosen), every)  # noqa: S311 -- repeatable on purpose
    except (DrillError, LabError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(chaos)

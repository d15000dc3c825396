"""The command: rounds of chosen situations in one lab, results as JSON lines on the way and whole at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.drill.errors import Interrupted
from deploy.drill.interrupts import interruptible
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.labs.vsphere import VsphereProvider
from deploy.drill.progress import Progress
from deploy.drill.runner import EXPECTED, INTERRUPTED
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.scenario import Scenario
from tests.bench.failover import plot, results
from tests.bench.failover.results import Round
from tests.bench.failover.round import one_round
from tests.bench.failover.services import Services
from tests.bench.table import say

Situation = tuple[str, str, str]  # fault, role, delay


@contextmanager
def staged(settings: DrillSettings) -> Iterator[Scenario]:
    """A lab with Reberth on it, and no service yet."""
    provider = VsphereProvider() if settings.storage == "vsphere" else NamespacesProvider()
    progress = Progress(Console(stderr=True, highlight=False))
    cluster: Cluster | None = None
    try:
        with progress.phase("lab up") as line:
            provider.packages(line.say)
            lab = provider.up(settings, line.say)
        cluster = Cluster(lab)
        with progress.phase("Reberth deployed") as line:
            stacks = provider.stacks(lab, cluster, settings, line.say)
            scenario = Scenario(lab, cluster, stacks, provider.engine_logs(settings), provider.proxy)
            stacks.deploy_system()
            scenario.ready(240.0)
        yield scenario
    finally:
        if cluster is not None:
            cluster.close()
        provider.down(settings)


def run(settings: DrillSettings, wanted: Sequence[Situation], lines: Path | None) -> list[Round]:
    """A round that fails ends all: the lab is not what the next one needs. What was seen until then is kept."""
    found: list[Round] = []
    with staged(settings) as scenario:
        services = Services(scenario, settings.delay)
        services.prepare()
        for number, (fault, role, delay) in enumerate(wanted, 1):
            try:
                seen = one_round(scenario, services, role, delay, settings.heartbeat, fault)
            except EXPECTED as error:
                say(f"round {number} of {len(wanted)} ({fault} of a {role}) failed: {error}")
                break
            found.append(seen)
            say(f"round {number} of {len(wanted)}: {_words(seen)}")
            if lines is not None:
                with lines.open("ab") as file:
                    file.write(msgspec.json.encode(seen) + b"\n")
    return found


def _words(seen: Round) -> str:
    times = ", ".join(
        f"{name} {each.seconds if each.seconds is None else round(each.seconds, 2)}"
        for name, each in seen.services.items()
    )
    more = {name: each.moments for name, each in seen.services.items() if each.moments}
    return f"{seen.fault} of {seen.role} {seen.node}, delay {seen.delay}: {times} (load {seen.load:.1f}) {more}"


def read(paths: Sequence[Path]) -> list[Round]:
    """Rounds of earlier runs."""
    return [msgspec.json.decode(line, type=Round) for path in paths for line in path.read_bytes().splitlines() if line]


def main() -> int:
    options = argparse.ArgumentParser(
        prog="python -m tests.bench.failover", description=sys.modules[__package__].__doc__
    )
    options.add_argument("--rounds", type=int, default=3, help="of each situation, in turn")
    options.add_argument("--faults", default="power-off", help="of power-off, freeze, cut; with commas")
    options.add_argument("--roles", default="follower", help="of worker, follower, leader; with commas")
    options.add_argument("--delays", default="5s,0s", help="restart_policy.delay of all services; with commas")
    options.add_argument("--heartbeat", default="5s")
    options.add_argument("--detect", default="swarm", help="swarm, or gate: with fence power-off")
    options.add_argument("--storage", default="lab", choices=["lab", "vsphere"], help="vsphere: a simulator of its API")
    options.add_argument("--grace", type=float, default=10.0)
    options.add_argument("--lines", type=Path, help="a file to which each round is added as a line of JSON")
    options.add_argument("--show", type=Path, nargs="+", help="measure nothing: the table of these files of lines")
    options.add_argument("--plot", type=Path, help="where to write the plot (SVG)")
    options.add_argument("--name", default="bench")
    options.add_argument("--subnet", default="10.79.77.0/24")
    chosen = options.parse_args()
    if chosen.show:
        return _end(read(chosen.show), chosen.plot)
    roles = chosen.roles.split(",")
    delays = chosen.delays.split(",")
    settings = DrillSettings(
        name=chosen.name, subnet=chosen.subnet, heartbeat=chosen.heartbeat, delay=delays[0],
        workers=1 if "worker" in roles else 0, detect=chosen.detect, grace=chosen.grace, storage=chosen.storage,
    )  # fmt: skip
    once = [(fault, role, delay) for delay, fault, role in product(delays, chosen.faults.split(","), roles)]
    try:
        with interruptible():
            found = run(settings, once * chosen.rounds, chosen.lines)
    except Interrupted as signal:
        say(f"stopped by {signal}; the lab is removed")
        return INTERRUPTED
    except EXPECTED as error:
        say(f"failed: {error}")
        return 1
    return _end(found, chosen.plot)


def _end(found: Sequence[Round], svg: Path | None) -> int:
    if svg is not None:
        svg.write_text(plot.svg(found))
    say("\n" + results.table(found))
    for sentence in results.unanswered(found):
        say(sentence)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

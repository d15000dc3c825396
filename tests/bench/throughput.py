"""
Throughput of PostgreSQL on a volume of Reberth beside one on a local volume of Docker, by pgbench in the containers.

Both run on one node of a lab, one is asked while the other rests, in turns: ABBA. In the lab a disk is a loop device on
the file that the machine's own disk holds, as a virtual disk is elsewhere: what is measured is that, not the network.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence

import msgspec

from deploy.drill.errors import DrillError
from deploy.drill.interrupts import interruptible
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from tests.bench.failover.__main__ import staged
from tests.bench.failover.results import PLAIN, STATELESS
from tests.bench.failover.services import Services
from tests.bench.table import load, median, say

BINARIES = "/usr/lib/postgresql/15/bin"
SCALE = 10  # branches: 160 MB


class Throughput(msgspec.Struct, frozen=True):
    """Transactions a second, by round."""

    local: tuple[float, ...]
    reberth: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [ours / local for ours, local in zip(self.reberth, self.local, strict=True)]


def transactions(told: str) -> float:
    """A second, as pgbench says it. Raises ValueError."""
    found = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
    if found is None:
        raise ValueError(f"pgbench says no number: {told[-300:]}")
    return float(found[1])


class Bench:
    def __init__(self, cluster: Cluster, node: str, seconds: int) -> None:
        self._cluster = cluster
        self._node = node
        self._seconds = seconds

    def fill(self, service: str) -> None:
        self._pgbench(service, "-i", "-q", "-s", str(SCALE))

    def run(self, service: str) -> float:
        self._psql(service, "CHECKPOINT")
        return transactions(self._pgbench(service, "-c", "4", "-j", "2", "-T", str(self._seconds)))

    def _pgbench(self, service: str, *words: str) -> str:
        return self._exec(service, f"{BINARIES}/pgbench", *words, "-U", "postgres", "postgres")

    def _psql(self, service: str, sql: str) -> None:
        self._exec(service, "psql", "-U", "postgres", "-XAtqc", sql)

    def _exec(self, service: str, *words: str) -> str:
        api = self._cluster.node_api(self._node)
        (found,) = api.containers(filters={"label": f"com.docker.swarm.service.name={service}"})
        made = api.exec_create(found["Id"], list(words))
        api.timeout = self._seconds + 120
        output: bytes = api.exec_start(made["Id"])
        if api.exec_inspect(made["Id"])["ExitCode"] != 0:
            raise DrillError(f"{' '.join(words)} in {service}: {output.decode(errors='replace')[-500:]}")
        return output.decode()


def measured(bench: Bench, rounds: int) -> Iterator[tuple[float, float]]:
    """Local and ours. The order turns each time, so that what changes with time hits both."""
    for number in range(rounds):
        order = (STATELESS, PLAIN) if number % 2 == 0 else (PLAIN, STATELESS)
        found = {service: bench.run(service) for service in order}
        say(f"round {number + 1}: local {found[STATELESS]:.0f}, Reberth {found[PLAIN]:.0f} a second ({load()})")
        yield found[STATELESS], found[PLAIN]


def run(settings: DrillSettings, rounds: int, seconds: int) -> Throughput:
    with staged(settings) as scenario:
        services = Services(scenario, settings.delay)
        services.prepare()
        node = scenario.lab.nodes[-1].name
        services.gather(node)
        bench = Bench(scenario.cluster, node, seconds)
        for service in (STATELESS, PLAIN):
            bench.fill(service)
        local, ours = zip(*measured(bench, rounds), strict=True)
    return Throughput(local, ours)


def main(words: Sequence[str]) -> None:
    options = argparse.ArgumentParser(prog="python -m tests.bench.throughput", description=__doc__)
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--seconds", type=int, default=20, help="of each run of pgbench")
    chosen = options.parse_args(words)
    settings = DrillSettings(name="throughput", subnet="10.79.76.0/24", heartbeat="5s")
    with interruptible():
        found = run(settings, chosen.rounds, chosen.seconds)
    say(f"Reberth / local: {median(found.ratios):.2f} ({min(found.ratios):.2f} to {max(found.ratios):.2f})")
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

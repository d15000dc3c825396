"""
Rolling updates of PostgreSQL with a client that stays: two containers never run beside each other on one volume.

PostgreSQL is told to wait for its clients (smart shutdown), and has ``--grace`` seconds. Swarm starts the next task
after 60 s, ended or not. A session inside the container (no network cuts it) stays for ``--hold`` seconds;
another client commits for as long as it is let. Odd rounds keep the successor on the same node, even ones let Swarm
choose.

    python -m tests.bench.overlap --updates 20 --hold 180
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.drill.swarm.cluster import Place, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.testbed import Testbed
from deploy.drill.workload.client import CommitClient
from tests.bench.table import say
from tests.drills.rig import quick_settings, standing

WITHIN = 300.0  # seconds for the successor, once the client has left
NEVER = "0001-"  # Docker's time of what has not happened


@dataclass(frozen=True, slots=True)
class Life:
    """One container of PostgreSQL, from its start to its end (None: it runs)."""

    container: str
    node: str
    began: float
    ended: float | None


def lives(scenario: Scenario, service: str) -> Iterator[Life]:
    label = f"com.docker.swarm.service.name={service}"
    for machine in scenario.lab.nodes:
        found = scenario.cluster.client(machine.name).containers.list(all=True, filters={"label": label})
        for each in found:
            state = each.attrs["State"]
            if not state["StartedAt"].startswith(NEVER):
                ended = None if state["Running"] else _seconds(state["FinishedAt"])
                yield Life(str(each.id)[:12], machine.name, _seconds(state["StartedAt"]), ended)


def _seconds(text: str) -> float:
    """Docker tells nanoseconds, which Python does not read."""
    return datetime.fromisoformat(f"{text[:26].rstrip('Z')}+00:00").timestamp()


def overlaps(found: Sequence[Life]) -> list[tuple[Life, Life]]:
    ordered = sorted(found, key=lambda each: each.began)
    return [(one, two) for one, two in combinations(ordered, 2) if one.ended is None or two.began < one.ended]


def one_round(testbed: Testbed, hold: float, *, stay: bool) -> tuple[float, int, Sequence[Life]]:
    """Seconds from the session's end to the successor's answer, commits, and all containers that are remembered."""
    scenario = testbed.scenario
    service, before = scenario.cluster.database_service(), scenario.cluster.place()
    if stay:
        scenario.hold_others(before.node)
    with CommitClient(testbed.target()) as client:
        wait_for(lambda: "" if client.journal.last() else client.problem, WITHIN)
        session = _session(scenario, before, hold)
        scenario.stacks.docker("service", "update", "--detach", "--force", service)
        session.wait(hold + 60)
        client.stop()
        left = time.monotonic()
        assert session.returncode == 0, "the session was cut: PostgreSQL did not wait for it"
        wait_for(lambda: "" if _another(scenario, before.container) else "the successor does not run", WITHIN)
        wait_for(testbed.answers, WITHIN)
        seconds, found = time.monotonic() - left, client.settle()
    if stay:
        scenario.free_others(before.node)
    assert found.clean, found
    return seconds, found.acknowledged, tuple(lives(scenario, service))


def _session(scenario: Scenario, place: Place, seconds: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **scenario.lab.environment(place.node)}
    query = f"SELECT pg_sleep({seconds:.0f})"
    command = ["docker", "exec", place.container, "psql", "-U", "postgres", "-c", query]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def _another(scenario: Scenario, container: str) -> bool:
    return scenario.cluster.place().container != container


def run(updates: int, hold: float, grace: float) -> int:
    seen: dict[str, Life] = {}
    bad = 0
    with TemporaryDirectory() as folder, standing(quick_settings("pgoverlap", 89, Path(folder))) as testbed:
        service = testbed.scenario.cluster.database_service()
        stop = ("--stop-signal", "SIGUSR1", "--stop-grace-period", f"{grace:.0f}s")
        first = testbed.scenario.cluster.place().container  # which its image's own signal ends, clients or not
        testbed.scenario.stacks.docker("service", "update", "--detach", *stop, service)
        wait_for(lambda: "" if _another(testbed.scenario, first) else "the first container runs still", WITHIN)
        testbed.scenario.ready(WITHIN)
        wait_for(testbed.answers, WITHIN)
        for number in range(1, updates + 1):
            seconds, commits, found = one_round(testbed, hold, stay=number % 2 == 1)
            seen.update({each.container: each for each in found})
            beside = overlaps(tuple(seen.values()))
            bad += len(beside)
            say(
                f"update {number} of {updates}: {commits} commits, none lost; the session stayed {hold:.0f} s, the "
                f"successor answered {seconds:.1f} s after it had left; {len(seen)} containers so far, "
                f"{len(beside)} beside another {beside or ''}"
            )
    return bad


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench.overlap", description=__doc__)
    options.add_argument("--updates", type=int, default=20)
    options.add_argument("--hold", type=float, default=120.0, help="seconds that the session stays")
    options.add_argument("--grace", type=float, default=300.0, help="the service's stop_grace_period")
    chosen = options.parse_args()
    return 1 if run(chosen.updates, chosen.hold, chosen.grace) else 0


if __name__ == "__main__":
    sys.exit(main())

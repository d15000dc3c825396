"""
False suspicions: `python -m tests.bench.starved`. Root.

A lab with `detect = "gate"`, a database that takes rows, and so many processes beside it that burn the processor that
nodes and controllers are slow. Nothing is broken, so each suspicion is a false one: there must be none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import SYSTEM
from deploy.drill.swarm.scenario import Scenario
from tests.bench.failover.__main__ import staged
from tests.bench.failover.results import LABELLED
from tests.bench.failover.services import Services
from tests.bench.table import say

STEP = 5.0  # seconds between two rows
TELL = 12  # rows
QUIET = 30.0  # seconds until all nodes beat, before they are starved
WORDS = ("node.suspected", "node.heard", "detector.slept")


class Told(msgspec.Struct, frozen=True):
    seconds: float
    burners: int
    loads: list[float]  # of the machine: least, median, most
    rows: int
    unanswered: int  # rows that no database took in time
    words: dict[str, int]  # of the controllers' logs


@contextmanager
def burning(many: int) -> Iterator[None]:
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(many)]
    try:
        yield
    finally:
        for each in burners:
            each.kill()
            each.wait()


def told(scenario: Scenario) -> dict[str, int]:
    environment = {**os.environ, **scenario.lab.environment(scenario.cluster.manager())}
    words = ["docker", "service", "logs", "--raw", f"{SYSTEM}_controller"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        say(f"the controllers' logs cannot be read: {done.stderr.strip()}")
        return {}
    return {word: (done.stdout + done.stderr).count(word) for word in WORDS}


def run(settings: DrillSettings, seconds: float, burners: int, found: Path | None) -> Told:
    with staged(settings) as scenario:
        services = Services(scenario, settings.delay)
        services.prepare()
        time.sleep(QUIET)
        return starve(scenario, services, seconds, burners, found)


def starve(scenario: Scenario, services: Services, seconds: float, burners: int, found: Path | None = None) -> Told:
    addresses: Sequence[str] = [machine.address for machine in scenario.lab.nodes]
    began, rows, unanswered, loads = time.monotonic(), 0, 0, list[float]()

    def now() -> Told:
        spread = [min(loads), sorted(loads)[len(loads) // 2], max(loads)]
        return Told(round(time.monotonic() - began, 1), burners, spread, rows, unanswered, told(scenario))

    with burning(burners):
        while time.monotonic() - began < seconds:
            rows += 1
            unanswered += services.commit(LABELLED, addresses, rows) is None
            loads.append(round(os.getloadavg()[0], 1))
            if rows % TELL == 0:
                say(msgspec.json.encode(now()).decode())
                if found is not None:
                    found.write_bytes(msgspec.json.encode(now()))
            time.sleep(STEP)
    return now()


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench.starved", description=__doc__)
    options.add_argument("--seconds", type=float, default=3600.0)
    options.add_argument("--burners", type=int, default=4 * (os.cpu_count() or 1))
    options.add_argument("--found", type=Path, help="a file that has the newest numbers")
    options.add_argument("--name", default="starved")
    options.add_argument("--subnet", default="10.79.82.0/24")
    chosen = options.parse_args()
    settings = DrillSettings(name=chosen.name, subnet=chosen.subnet, detect="gate", grace=5.0)
    found = run(settings, chosen.seconds, chosen.burners, chosen.found)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return int(found.words.get("node.suspected", 1) != 0)


if __name__ == "__main__":
    sys.exit(main())

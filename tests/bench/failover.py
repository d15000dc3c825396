"""
Failovers in one lab: `python -m tests.bench.failover`. Root.

In each round a node is switched off that runs two PostgreSQLs: one on a volume of ours, one without any state that
moves (it finds a made cluster on each node). Both are asked all the time, in the same way, until they answer again.
Then, on the same lab's disks: one volume of a dead node against sixty.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psycopg
from rich.console import Console

from deploy.drill.catalogue import make_fault
from deploy.drill.cluster import wait_for
from deploy.drill.flow import EXPECTED
from deploy.drill.ground import DrillSettings
from deploy.drill.net import first_open
from deploy.drill.progress import Progress
from deploy.drill.site import NamespacesSite
from deploy.drill.stage import START_SECONDS, Stage
from deploy.lab.lab import Lab
from tests.bench.table import load, say

OURS, STATELESS = 5432, 5433
PATIENCE = 120.0
STEP = 0.02


class Round(msgspec.Struct, frozen=True):
    """Seconds from the fault until each answers; ``reaction``: from the hypervisor's event to the disk's detach."""

    ours: float
    stateless: float
    reaction: float | None
    moments: dict[str, float] = {}  # of the volume's history, seconds from the fault


class Scratch:
    """The stateless PostgreSQL: the example's image and secret, on a local volume that each node has ready."""

    NAME = "scratch"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def prepare(self) -> None:
        self._create("--mode", "global")
        for machine in self._stage.scene.ground.nodes:
            wait_for(lambda address=machine.address: self._answers(address), START_SECONDS)  # type: ignore[misc]
        self._docker("service", "rm", self.NAME)
        self._create("--replicas", "1")

    def beside(self, node: str) -> None:
        """Moves it to this node, without a constraint that would hold it there."""
        cluster = self._stage.scene.cluster
        others = [machine.name for machine in self._stage.scene.ground.nodes if machine.name != node]
        for other in others:
            cluster.set_availability(other, "pause")
        self._docker("service", "update", "-q", "--force", "--detach=false", self.NAME)
        for other in others:
            cluster.set_availability(other, "active")
        wait_for(lambda: self._answers(self._stage.scene.ground.node(node).address), START_SECONDS)

    def _answers(self, address: str) -> str:
        found = started(self._stage, (address,), STATELESS)
        return "" if found else f"the stateless PostgreSQL does not answer on {address}"

    def _create(self, *mode: str) -> None:
        image = self._stage.scene.stacks.variables["POSTGRES_IMAGE"]
        self._docker(
            *("service", "create", "-q", "--detach", "--no-resolve-image", "--name", self.NAME, *mode),
            *("--secret", "postgres-password", "--env", "POSTGRES_PASSWORD_FILE=/run/secrets/postgres-password"),
            *("--mount", "type=volume,source=scratch,target=/var/lib/postgresql/data,volume-nocopy"),
            *("--publish", f"mode=host,target=5432,published={STATELESS}"),
            *("--restart-delay", self._stage.settings.delay, image),
        )

    def _docker(self, *words: str) -> None:
        scene = self._stage.scene
        environment = scene.ground.environment(scene.cluster.manager())
        done = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`docker {' '.join(words)}` failed: {done.stderr.strip()}")


def started(stage: Stage, addresses: Sequence[str], port: int) -> float | None:
    """When the PostgreSQL that answers there started; None when none answers."""
    try:
        address = first_open(addresses, port, 0.5)
        password = stage.scene.stacks.password
        where = f"host={address} port={port} user=postgres dbname=postgres connect_timeout=2"
        with closing(psycopg.connect(where, password=password)) as connection:
            row = connection.execute("SELECT extract(epoch FROM pg_postmaster_start_time())::float8").fetchone()
    except (psycopg.Error, OSError):
        return None
    return None if row is None else float(row[0])


class Waiter(threading.Thread):
    """Asks until a PostgreSQL answers that started after the fault."""

    def __init__(self, stage: Stage, port: int, fault_at: float) -> None:
        super().__init__(daemon=True)
        self._stage, self._port, self._fault_at = stage, port, fault_at
        self.seconds: float | None = None

    def run(self) -> None:
        addresses = tuple(machine.address for machine in self._stage.scene.ground.nodes)
        while time.time() < self._fault_at + PATIENCE:
            found = started(self._stage, addresses, self._port)
            if found is not None and found > self._fault_at:
                self.seconds = time.time() - self._fault_at
                return
            time.sleep(STEP)


class Happenings(threading.Thread):
    """The machine host's events with the time of their arrival."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._lab = lab
        self.seen: list[tuple[str, float]] = []
        self.ready = threading.Event()

    def run(self) -> None:
        token = Path(self._lab.host.token_file).read_text().strip()
        request = urllib.request.Request(  # noqa: S310 -- the lab's own address
            f"{self._lab.host.url}/v1/events", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            self.ready.set()
            for line in answer:
                if line.strip():
                    self.seen.append((json.loads(line)["event"], time.time()))

    def reaction(self) -> float | None:
        """From the first power-off to the detach that follows; the call itself is in it."""
        off = next((at for event, at in self.seen if event == "power-off"), None)
        gone = next((at for event, at in self.seen if event == "detached" and off is not None and at >= off), None)
        return None if off is None or gone is None else gone - off


def one_round(stage: Stage, lab: Lab) -> tuple[str, Round]:
    place = stage.scene.cluster.place()
    node, volume = place.node, place.volume
    happenings = Happenings(lab)
    happenings.start()
    happenings.ready.wait(10)
    time.sleep(3.0)
    fault_at = time.time()
    waiters = [Waiter(stage, port, fault_at) for port in (OURS, STATELESS)]
    for waiter in waiters:
        waiter.start()
    lab.power_off(node)
    stage.scene.cluster.avoid = node
    for waiter in waiters:
        waiter.join(PATIENCE + 10)
    ours, stateless = (waiter.seconds for waiter in waiters)
    if ours is None or stateless is None:
        raise RuntimeError(f"no answer within {PATIENCE:g} s: ours {ours}, stateless {stateless}")
    history = stage.scene.cluster.explain(volume).history
    moments = {row.moment.value: round(row.at - fault_at, 2) for row in history if row.at >= fault_at}
    return node, Round(ours, stateless, happenings.reaction(), moments)


@contextmanager
def staged(settings: DrillSettings) -> Iterator[tuple[Stage, Lab]]:
    site = NamespacesSite()
    stage = Stage(site, settings, Progress(Console(stderr=True, highlight=False)))
    try:
        stage.prepare()
        lab = Lab.find(settings.name)
        if lab is None:
            raise RuntimeError("the lab is gone")
        yield stage, lab
    finally:
        stage.close()
        site.down(settings)


def run(settings: DrillSettings, rounds: int) -> list[Round]:
    found: list[Round] = []
    with staged(settings) as (stage, lab):
        scratch = Scratch(stage)
        scratch.prepare()
        for number in range(rounds):
            scratch.beside(stage.scene.cluster.place().node)
            stage.scene.ready()
            node, seen = one_round(stage, lab)
            say(f"round {number + 1}: {msgspec.to_builtins(seen)} ({load()})")
            found.append(seen)
            if number + 1 < rounds:
                stage._broken = node
                stage.again(make_fault("power-off"))
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--heartbeat", default="1s")
    options.add_argument("--delay", default="0s")
    options.add_argument("--name", default="bench")
    options.add_argument("--subnet", default="10.79.77.0/24")
    chosen = options.parse_args()
    settings = DrillSettings(
        name=chosen.name, subnet=chosen.subnet, heartbeat=chosen.heartbeat, delay=chosen.delay, target="follower"
    )
    try:
        found = run(settings, chosen.rounds)
    except EXPECTED as error:
        say(f"failed: {error}")
        return 1
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The three PostgreSQLs: how they are made, brought to one node, and asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble, reasons, through_election, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload.connections import first_open
from tests.bench.failover.results import LABELLED, PLAIN, STATELESS

START_SECONDS = 240.0  # three initdb on a slow machine
PORTS = {STATELESS: 5433, PLAIN: 5434, LABELLED: 5435}
CONSTRAINT = "node.labels.reberth != down"
_TABLE = "CREATE TABLE IF NOT EXISTS bench (number bigint PRIMARY KEY)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A PostgreSQL that just acknowledged a commit; ``started`` in unix seconds."""

    started: float


def volume_of(service: str) -> str:
    return f"bench-{service}"


class Services:
    def __init__(self, scenario: Scenario, delay: str) -> None:
        self._scenario = scenario
        self._delay = delay

    def prepare(self) -> None:
        """The one without state finds a made cluster on each node: what initdb takes is not measured."""
        self._create(STATELESS, "--mode", "global")
        for machine in self._scenario.lab.nodes:
            wait_for(lambda address=machine.address: self._silent(STATELESS, (address,)), START_SECONDS)  # type: ignore[misc]
        self._docker("service", "rm", STATELESS)
        for service in PORTS:
            self._create(service, "--replicas", "1")
        for service in PORTS:
            wait_for(lambda service=service: self._silent(service), START_SECONDS)  # type: ignore[misc]

    def delayed(self, delay: str) -> None:
        """Another restart delay from now on."""
        if delay == self._delay:
            return
        self._delay = delay
        for service in PORTS:
            self._docker("service", "update", "-q", "--detach", "--restart-delay", delay, service)
        for service in PORTS:
            wait_for(lambda service=service: self._silent(service), START_SECONDS)  # type: ignore[misc]

    def gather(self, node: str) -> None:
        """All run on this node, and nothing holds them there."""
        cluster = self._scenario.cluster
        others = [machine.name for machine in self._scenario.lab.nodes if machine.name != node]
        for other in others:
            cluster.set_availability(other, "pause")
        for service in PORTS:
            if self._where(service) != node:
                self._docker("service", "update", "-q", "--force", "--detach", service)
        address = self._scenario.lab.node(node).address
        for service in PORTS:
            wait_for(lambda service=service: self._elsewhere(service, node, address), START_SECONDS)  # type: ignore[misc]
        for other in others:
            cluster.set_availability(other, "active")

    def commit(self, service: str, addresses: Sequence[str], number: int) -> Answer | None:
        """One row with this number into the service that answers on one of the addresses; None when none does."""
        try:
            address = first_open(addresses, PORTS[service], 0.5)
            with closing(psycopg.connect(self._where_to(service, address))) as connection:
                connection.execute("SET statement_timeout = '2s'")
                connection.execute(_TABLE)
                connection.execute("INSERT INTO bench VALUES (%s) ON CONFLICT DO NOTHING", (number,))
                connection.commit()
                row = connection.execute("SELECT extract(epoch FROM pg_postmaster_start_time())::float8").fetchone()
        except (psycopg.Error, OSError):
            return None
        return None if row is None else Answer(float(row[0]))

    def numbers(self, service: str, addresses: Sequence[str]) -> set[int]:
        """Every row that is there. Raises psycopg.Error, OSError."""
        address = first_open(addresses, PORTS[service], 5.0)
        with closing(psycopg.connect(self._where_to(service, address))) as connection:
            return {int(row[0]) for row in connection.execute("SELECT number FROM bench")}

    def why(self, service: str) -> str:
        """What Swarm says of its tasks."""
        try:
            return reasons(self._scenario.cluster.tasks(service), self._scenario.cluster.hostnames())
        except (*Trouble, DrillError) as error:
            return str(error)

    def _where_to(self, service: str, address: str) -> str:
        password = self._scenario.stacks.password
        return (
            f"host={address} port={PORTS[service]} user=postgres dbname=postgres password={password} "
            "connect_timeout=2 sslmode=disable gssencmode=disable"
        )

    def _silent(self, service: str, addresses: Sequence[str] = ()) -> str:
        asked = addresses or tuple(machine.address for machine in self._scenario.cluster.machines())
        found = self.commit(service, asked, 0)
        return "" if found else f"{service} does not answer: {self.why(service)}"

    def _elsewhere(self, service: str, node: str, address: str) -> str:
        there = self._where(service)
        if there != node:
            return f"{service} is on {there or 'no node'}, not on {node}: {self.why(service)}"
        return self._silent(service, (address,))

    def _where(self, service: str) -> str:
        names = self._scenario.cluster.hostnames()
        running = [
            names.get(task.get("NodeID", ""), "")
            for task in self._scenario.cluster.tasks(service)
            if task["DesiredState"] == "running" and task["Status"]["State"] == "running"
        ]
        return running[0] if len(running) == 1 else ""

    def _create(self, service: str, *mode: str) -> None:
        image = self._scenario.stacks.variables["POSTGRES_IMAGE"]
        mount = "type=volume,source=bench,target=/var/lib/postgresql/data,volume-nocopy"
        if service != STATELESS:
            mount = (
                f"type=volume,source={volume_of(service)},target=/var/lib/postgresql/data,volume-nocopy,"
                "volume-driver=reberth,volume-opt=size=512MiB"
            )
        self._docker(
            *("service", "create", "-q", "--detach", "--no-resolve-image", "--name", service, *mode),
            *("--secret", "postgres-password", "--env", "POSTGRES_PASSWORD_FILE=/run/secrets/postgres-password"),
            *("--mount", mount, "--publish", f"mode=host,target=5432,published={PORTS[service]}"),
            *(("--constraint", CONSTRAINT) if service == LABELLED else ()),
            *("--network", "bridge", "--restart-delay", self._delay, image),
            *("-c", "recovery_init_sync_method=syncfs"),  # as the example has it
        )

    def _docker(self, *words: str) -> None:
        through_election(lambda: self._run(*words))

    def _run(self, *words: str) -> None:
        environment = {**os.environ, **self._scenario.lab.environment(self._scenario.cluster.manager())}
        done = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DrillError(f"`docker {' '.join(words)}` failed: {done.stderr.strip()}")

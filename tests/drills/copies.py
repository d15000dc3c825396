"""A second PostgreSQL on a copy of the first one's volume (deploy/examples/copy.yml), beside it on the same node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from deploy.drill.swarm.cluster import reasons, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.stacks import DEPLOY

STACK = "copy"
ORIGINAL, COPY = "db_postgres", f"{STACK}_postgres"
VOLUME, COPIED = "postgres-data", "postgres-copy"
PATIENCE = 180.0


class Copies:
    """All on one node, where the database runs when this begins."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.node = scenario.cluster.place().node

    @contextmanager
    def on_one_node(self) -> Iterator[None]:
        """The original runs again afterwards, and the copy's stack is gone."""
        self.scenario.hold_others(self.node)
        try:
            yield
        finally:
            self.scenario.stacks.docker("stack", "rm", STACK)
            self.scale(ORIGINAL, 1)
            wait_for(lambda: f"{COPY} still runs" if self._containers(COPY) else "", PATIENCE)
            wait_for(self._removed, PATIENCE)
            self.scenario.free_others(self.node)
            wait_for(lambda: self._silent(ORIGINAL), PATIENCE)

    def _removed(self) -> str:
        """`docker volume rm`, on the node where Docker knows it."""
        try:
            self.scenario.cluster.client(self.node).volumes.get(COPIED).remove()
        except NotFound:
            return ""
        except APIError as error:
            return f"volume {COPIED} is not removed: {error}"
        return ""

    def deploy(self) -> None:
        self.scenario.stacks.deploy(STACK, (DEPLOY / "examples" / "copy.yml",))

    def scale(self, service: str, replicas: int) -> None:
        self.scenario.stacks.docker("service", "scale", "--detach", f"{service}={replicas}")

    def stop(self, service: str) -> None:
        """Returns when no container of it is left."""
        self.scale(service, 0)
        wait_for(lambda: f"{service} still runs" if self._containers(service) else "", PATIENCE)

    def runs(self, *services: str) -> None:
        for service in services:
            wait_for(lambda service=service: self._silent(service), PATIENCE)  # type: ignore[misc]

    def waits(self, volume: str, words: str) -> None:
        """Until `reberth explain` says these words."""

        def complaint() -> str:
            why = self.scenario.cluster.why(volume)
            return "" if words in why else why

        wait_for(complaint, PATIENCE)

    def sql(self, service: str, sql: str) -> str:
        code, words = self._try(service, sql)
        assert code == 0, words
        return words

    def _silent(self, service: str) -> str:
        code, words = self._try(service, "SELECT 1")
        if code == 0:
            return ""
        cluster = self.scenario.cluster
        return f"{service} does not answer ({words}): {reasons(cluster.tasks(service), cluster.hostnames())}"

    def _containers(self, service: str) -> list[Container]:
        label = f"com.docker.swarm.service.name={service}"
        return list(self.scenario.cluster.client(self.node).containers.list(filters={"label": label}, sparse=True))

    def _try(self, service: str, sql: str) -> tuple[int | None, str]:
        found = self._containers(service)
        if not found:
            return None, f"no container on {self.node}"
        command = ("psql", "-U", "postgres", "-XAtqc", sql)
        code, out, err = self.scenario.cluster.run(self.node, str(found[0].id), *command)
        return code, out.decode().strip() if code == 0 else err

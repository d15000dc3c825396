"""Deploys both stacks as a user does: secrets and configs through Docker's API, then `docker stack deploy`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from docker.errors import APIError

from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.swarm.cluster import DATABASE, SYSTEM, Cluster, through_election

DEPLOY = Path(__file__).resolve().parents[2]
EXAMPLE = DEPLOY / "examples" / "postgres.yml"
PASSWORD = "postgres-password"  # noqa: S105 -- the secret's name in the example


@dataclass(frozen=True, slots=True)
class Stacks:
    """``files`` and ``variables`` are the lab's: the same stack files as everywhere, with other values."""

    lab: SwarmLab
    cluster: Cluster
    files: tuple[Path, ...]
    variables: Mapping[str, str]
    secrets: Mapping[str, bytes]
    configs: Mapping[str, bytes]
    more: tuple[Path, ...] = ()  # beside the example, for the lab
    password: str = field(default_factory=lambda: token_urlsafe(18))
    system: str = SYSTEM
    database: str = DATABASE

    def deploy_system(self) -> None:
        api = self.cluster.api()
        for name, data in {**self.secrets, PASSWORD: self.password.encode()}.items():
            _once(api.create_secret, name, data)
        for name, data in self.configs.items():
            _once(api.create_config, name, data)
        self.deploy(self.system, self.files)

    def deploy_database(self) -> None:
        self.deploy(self.database, (EXAMPLE, *self.more))

    def remove_database(self) -> None:
        self.docker("stack", "rm", self.database)

    def restart_database(self, service: str) -> None:
        """Its task ends in good order, and a new one is placed."""
        self.docker("service", "update", "--detach", "--force", service)

    def deploy(self, stack: str, files: tuple[Path, ...]) -> None:
        named = [word for file in files for word in ("-c", str(file))]
        self.docker("stack", "deploy", *named, stack)

    def docker(self, *words: str) -> None:
        """
        The docker CLI against a manager that answers; again when an election came between, so only what may be done
        twice. Raises DrillError with what it said.
        """
        through_election(lambda: self._docker(*words))

    def _docker(self, *words: str) -> None:
        environment = {**self.lab.environment(self.cluster.manager()), **self.variables}
        done = subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            raise DrillError(f"`docker {' '.join(words)}` failed: {(done.stderr or done.stdout).strip()}")


def _once(create: Callable[[str, bytes], object], name: str, data: bytes) -> None:
    """A secret or config that is there already is left as it is: neither can be changed."""
    try:
        create(name, data)
    except APIError as error:
        if error.status_code != 409:
            raise

"""The lab of the day, its stacks as a person writes them, and the docker command on each of its nodes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.drill.errors import DrillError
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster, through_election, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.lab import Lab
from tests.drills.rig import deployed
from tests.support.labs import on_xfs

MANAGERS = ("swarm01", "swarm02", "swarm03")
WORKERS = ("swarm04", "swarm05")
NODES = (*MANAGERS, *WORKERS)
MEMORY = "8G"  # at most; about 3 GiB are used
PATIENCE = 90.0  # seconds
DATA_SH = Path(__file__).resolve().parents[3] / "deploy" / "data.sh"
POSTGRES = "echo secret >/tmp/word; export PGDATA=/data/pgdata POSTGRES_PASSWORD_FILE=/tmp/word; exec reberth-postgres"


@dataclass(frozen=True, slots=True)
class Service:
    """One of a stack. ``where``: constraints. ``known``: the stack file calls the volume external."""

    name: str
    volume: str
    options: Mapping[str, str] = field(default_factory=lambda: {"size": "32MiB"})
    where: Sequence[str] = ()
    replicas: int = 1
    known: bool = False
    postgres: bool = False
    version: str = "1"

    def compose(self, image: str) -> dict[str, Any]:
        mount = {"type": "volume", "source": self.name, "target": "/data", "volume": {"nocopy": True}}
        return {
            "image": image,
            "entrypoint": ["sh", "-c", POSTGRES if self.postgres else "exec sleep infinity"],
            "environment": {"VERSION": self.version},
            "stop_grace_period": "20s" if self.postgres else "0s",
            "volumes": [mount],
            "deploy": {
                "replicas": self.replicas,
                "placement": {"constraints": list(self.where)},
                "restart_policy": {"condition": "any", "delay": "1s"},
            },
        }

    def declared(self) -> dict[str, Any]:
        own = {"external": True} if self.known else {"driver": "reberth", "driver_opts": dict(self.options)}
        return {"name": self.volume, **own}


class Swarm:
    def __init__(self, scenario: Scenario, lab: Lab) -> None:
        self.scenario = scenario
        self.lab = lab
        self.image = scenario.stacks.variables["POSTGRES_IMAGE"]

    @property
    def cluster(self) -> Cluster:
        return self.scenario.cluster

    def cli(self, node: str, *words: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """The docker command on a node, whatever becomes of it."""
        return self._run(node, ["docker", *words], given)

    def _run(self, node: str, words: Sequence[str], given: bytes | None) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **self.lab.environment(node)}
        return subprocess.run(words, env=environment, input=given, capture_output=True, check=False, timeout=180)

    def docker(self, node: str, *words: str, given: bytes | None = None) -> str:
        """Typed again where Swarm had no leader for it. Raises DrillError with what Docker said."""
        said: list[str] = []

        def act() -> None:
            done = self.cli(node, *words, given=given)
            if done.returncode != 0:
                raise DrillError(f"docker {' '.join(words)} on {node}: {done.stderr.decode()}")
            said.append(done.stdout.decode().strip())

        through_election(act)
        return said[0]

    def refused(self, node: str, *words: str) -> str:
        """What Docker said."""
        done = self.cli(node, *words)
        assert done.returncode != 0, f"docker {' '.join(words)} on {node} was done: {done.stdout.decode()[:300]}"
        return done.stderr.decode()

    def exported(self, volume: str) -> bytes:
        """`deploy/data.sh export` on a manager."""
        done = self._run(MANAGERS[1], [str(DATA_SH), "export", volume], b"")
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def reberth(self, *words: str) -> str:
        return self.cluster.ask_controller(*words)

    def asked(self, *words: str) -> Any:
        return parsed(self.reberth(*words, "--json"))

    def deploy(self, stack: str, *services: Service, manager: str = MANAGERS[0]) -> None:
        """`docker stack deploy`; returns when each service has a task that runs, or none where none is wanted."""
        text = {
            "version": "3.8",
            "services": {each.name: each.compose(self.image) for each in services},
            "volumes": {each.name: each.declared() for each in services},
        }
        self.docker(manager, "stack", "deploy", "-c", "-", stack, given=json.dumps(text).encode())
        for each in services:
            self.settled(f"{stack}_{each.name}", each.replicas)

    def scale(self, service: str, replicas: int) -> None:
        self.docker(MANAGERS[2], "service", "scale", "--detach", f"{service}={replicas}")
        self.settled(service, replicas)

    def settled(self, service: str, replicas: int = 1) -> None:
        if replicas:
            wait_for(lambda: "" if self.newest_runs(service) else self._why(service), PATIENCE)
        else:
            wait_for(lambda: f"{service} still runs" if self._running(service) else "", PATIENCE)

    def _why(self, service: str) -> str:
        form = ("--no-trunc", "--format", "{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}")
        return f"{service} does not run: {self.docker(self.cluster.manager(), 'service', 'ps', *form, service)}"

    def newest_runs(self, service: str) -> str:
        """The node of its running task; nothing while another one is wanted, as in an update."""
        tasks = [each for each in self.cluster.tasks(service) if each["DesiredState"] in {"running", "ready"}]
        version = self.cluster.api().inspect_service(service)["Spec"]["TaskTemplate"]
        if len(tasks) != 1 or tasks[0]["Status"]["State"] != "running" or _asks(tasks[0]) != _asks({"Spec": version}):
            return ""
        return self.cluster.hostnames()[tasks[0]["NodeID"]]

    def containers(self, service: str) -> list[tuple[str, str]]:
        """Node and ID of all that are there, running or not."""
        words = ("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={service}")
        return [(node, each) for node in self._nodes() for each in self.docker(node, *words).split()]

    def _nodes(self) -> list[str]:
        """All but one that a drill has broken."""
        return [each.name for each in self.cluster.machines()]

    def container(self, service: str) -> tuple[str, str]:
        """Node and ID of the only one that runs."""
        (found,) = self._running(service)
        return found

    def _running(self, service: str) -> list[tuple[str, str]]:
        """Swarm keeps some that have ended, also of a service without replicas."""
        words = ("ps", "-q", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={service}")
        return [(node, each) for node in self._nodes() for each in self.docker(node, *words).split()]

    def inside(self, service: str, *command: str, given: bytes | None = None) -> str:
        node, container = self.container(service)
        return self.docker(node, "exec", "-i", container, *command, given=given)

    def sql(self, service: str, text: str) -> str:
        words = ("env", "PGPASSWORD=secret", "psql", "-h", "127.0.0.1", "-U", "postgres", "-XAtqc", text)
        return self.inside(service, *words)

    def answers(self, service: str) -> None:
        """PostgreSQL does."""

        def complaint() -> str:
            try:
                return "" if self.sql(service, "SELECT 1") == "1" else "it answers strangely"
            except (DrillError, ValueError) as error:
                return f"{service} does not answer: {error}"

        wait_for(complaint, PATIENCE)

    def remove(self, stack: str, *services: str) -> None:
        self.docker(MANAGERS[0], "stack", "rm", stack)
        for each in services:
            self.settled(f"{stack}_{each}", 0)

    def available(self, node: str, how: str) -> None:
        through_election(lambda: self.cluster.set_availability(node, how))


def parsed(answer: str) -> Any:
    """Raises DrillError where a controller that is being exchanged said something else: it is asked again."""
    try:
        return json.loads(answer)
    except ValueError:
        raise DrillError(f"the answer is no JSON: {answer[:300]!r}") from None


def _asks(task: Mapping[str, Any]) -> tuple[object, object, object]:
    spec = task["Spec"]
    return spec.get("ForceUpdate", 0), spec["ContainerSpec"], spec.get("Placement", {}).get("Constraints")


class OnXfs(NamespacesProvider):
    """
    Disks in use are copied there. What the nodes' engines keep is in memory: a machine that is short of its own disk
    lets managers miss each other.
    """

    def __init__(self, image: Path) -> None:
        super().__init__()
        self._image = image

    def ground(self, storage: Path) -> None:
        on_xfs(self._image, storage)
        nodes = storage.parent / "nodes"
        nodes.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "reberth-day", nodes], check=True)


@contextmanager
def standing(folder: Path, *, proxy: bool = False) -> Iterator[Swarm]:
    """Reberth as a user deploys it, on five nodes; nothing of it is left afterwards."""
    subnet = f"10.94.{os.getpid() % 200}.0/24"
    name = f"day{os.getpid()}"
    settings = DrillSettings(name=name, subnet=subnet, workers=len(WORKERS), heartbeat="2s", proxy=proxy)
    with deployed(settings, OnXfs(folder / "xfs"), 240) as scenario:
        lab = scenario.lab
        assert isinstance(lab, Lab)
        yield Swarm(scenario, lab)

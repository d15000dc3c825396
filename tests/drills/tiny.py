"""Services that only sleep, with a small volume: what becomes of them is what Swarm says about their tasks."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from docker.errors import APIError

from deploy.drill.ground import DrillError
from deploy.drill.scene import Scene

SECOND = 10**9  # Docker's durations are nanoseconds
SMALL: Mapping[str, str] = {"size": "16MiB"}
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Tiny:
    """One service. ``options`` None: an external volume, of no driver. ``node``: where it has to run."""

    name: str
    volume: str
    options: Mapping[str, str] | None = field(default_factory=lambda: SMALL)
    node: str = ""
    replicas: int = 1
    order: str = "stop-first"
    read_only: bool = False


class Village:
    """Makes tiny services in a swarm with Reberth, and removes them again."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._made: list[str] = []

    def make(self, wanted: Tiny) -> str:
        """Create the service; answers its ID."""
        answer = self.api.create_service(
            name=wanted.name,
            task_template=self._template(wanted),
            mode={"Replicated": {"Replicas": wanted.replicas}},
            update_config={"Parallelism": 1, "Order": wanted.order},
        )
        self._made.append(wanted.name)
        return str(answer["ID"])

    @property
    def api(self) -> Any:
        return self.scene.cluster.api()

    def _template(self, wanted: Tiny) -> dict[str, Any]:
        options: dict[str, Any] = {"NoCopy": True}
        if wanted.options is not None:
            options["DriverConfig"] = {"Name": "reberth", "Options": dict(wanted.options)}
        mount = {
            "Type": "volume",
            "Source": wanted.volume,
            "Target": "/data",
            "ReadOnly": wanted.read_only,
            "VolumeOptions": options,
        }
        constraints = [f"node.hostname == {wanted.node}"] if wanted.node else []
        return {
            "ContainerSpec": {
                "Image": self.scene.stacks.variables["POSTGRES_IMAGE"],
                "Command": ["sleep", "infinity"],
                "StopGracePeriod": 0,  # sleep ignores SIGTERM as first process
                "Mounts": [mount],
            },
            "Placement": {"Constraints": constraints},
            "RestartPolicy": {"Condition": "any", "Delay": SECOND},
        }

    def scale(self, name: str, replicas: int) -> None:
        found = self.api.inspect_service(name)
        spec = {**found["Spec"], "Mode": {"Replicated": {"Replicas": replicas}}}
        self.api._post_json(
            self.api._url("/services/{0}/update", found["ID"]),
            data=spec,
            params={"version": found["Version"]["Index"]},
        ).raise_for_status()

    def errors(self, name: str) -> Sequence[str]:
        """The ERROR column of `docker service ps --no-trunc`."""
        done = self.cli(self.scene.cluster.manager(), "service", "ps", "--no-trunc", "--format", "{{.Error}}", name)
        assert done.returncode == 0, done.stderr
        return [line.strip().strip('"') for line in done.stdout.splitlines() if line.strip()]

    def error(self, name: str, *words: str) -> str:
        """The first error of a task with all these words; waits for it."""
        end = time.monotonic() + PATIENCE
        while True:
            found = self.errors(name)
            said = next((one for one in found if all(word in one for word in words)), None)
            if said is not None:
                return said
            assert time.monotonic() < end, f"no error of {name} has {words}: {found} {self.states(name)}"
            time.sleep(0.3)

    def states(self, name: str) -> Mapping[str, str]:
        """State of each task that Swarm wants running, with where it is."""
        names = self.scene.cluster.hostnames()
        return {
            f"{task['ID'][:8]} on {names.get(task.get('NodeID', ''), 'no node')}": str(task["Status"]["State"])
            for task in self.api.tasks(filters={"service": name, "desired-state": "running"})
        }

    def runs(self, *services: str) -> None:
        """Waits until a task of each runs."""
        for name in services:
            end = time.monotonic() + PATIENCE
            while "running" not in self.states(name).values():
                assert time.monotonic() < end, f"{name} does not run: {self.states(name)} {self.errors(name)}"
                time.sleep(0.2)

    def without_storage(self) -> None:
        """The controller with an empty configuration, by `docker stack deploy` as a user would."""
        self.api.create_config("reberth-empty", b"# nothing\n")
        stacks = self.scene.stacks
        variables = {**stacks.variables, "REBERTH_CONFIG": "reberth-empty"}
        replace(stacks, variables=variables).deploy_system()
        end = time.monotonic() + PATIENCE
        while not self._says_no_storage():
            assert time.monotonic() < end, "no controller without storage runs"
            time.sleep(0.5)

    def _says_no_storage(self) -> bool:
        try:
            return "storage" in self.scene.cluster.ask_controller("status", "--json").partition('"unread"')[2]
        except DrillError:
            return False

    def remove(self, *services: str) -> None:
        """Waits until no container of them is left."""
        for name in services:
            try:
                self.api.remove_service(name)
            except APIError as error:
                if error.status_code != 404:
                    raise
        self.ended(*services)

    def ended(self, *services: str) -> None:
        """Waits until no container of them is left."""
        for name in services:
            end = time.monotonic() + PATIENCE
            while any(self._containers(machine.name, name) for machine in self.scene.ground.nodes):
                assert time.monotonic() < end, f"containers of {name} do not end"
                time.sleep(0.2)

    def _containers(self, node: str, service: str) -> list[Any]:
        label = f"com.docker.swarm.service.name={service}"
        # Sparse: one that goes while it is being looked at is gone, not an error.
        found = self.scene.cluster.client(node).containers.list(all=True, filters={"label": label}, sparse=True)
        return list(found)

    def clear(self) -> None:
        self.remove(*self._made)
        self._made.clear()

    def cli(self, node: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The docker command on a node."""
        environment = {**os.environ, **self.scene.ground.environment(node)}
        return subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, check=False, timeout=150
        )

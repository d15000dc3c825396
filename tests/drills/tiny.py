"""Services that only sleep, with a small volume: what becomes of them is what Swarm says about their tasks."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from docker.errors import APIError

from deploy.drill.errors import DrillError
from deploy.drill.swarm.scenario import Scenario

SECOND = 10**9  # Docker's durations are nanoseconds
SMALL: Mapping[str, str] = {"size": "16MiB"}
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Tiny:
    """
    One service. ``options`` None: an external volume, of no driver. ``node``: where it has to run. ``grace``: seconds
    that its container has to end by itself.
    """

    name: str
    volume: str
    options: Mapping[str, str] | None = field(default_factory=lambda: SMALL)
    node: str = ""
    replicas: int = 1
    order: str = "stop-first"
    read_only: bool = False
    command: Sequence[str] = ("sleep", "infinity")  # ignores SIGTERM as first process
    grace: float = 0.0


class Village:
    """Makes tiny services in a swarm with Reberth, and removes them again."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._made: list[str] = []
        self._patience = PATIENCE

    def make(self, wanted: Tiny) -> str:
        """Create the service; answers its ID."""
        answer = self.api.create_service(
            name=wanted.name,
            task_template=self._template(wanted),
            mode={"Replicated": {"Replicas": wanted.replicas}},
            update_config={"Parallelism": 1, "Order": wanted.order},
        )
        self._made.append(wanted.name)
        self._patience = max(self._patience, wanted.grace + PATIENCE)
        return str(answer["ID"])

    @property
    def api(self) -> Any:
        return self.scenario.cluster.api()

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
                "Image": self.scenario.stacks.variables["POSTGRES_IMAGE"],
                "Command": list(wanted.command),
                "StopGracePeriod": int(wanted.grace * SECOND),
                "Mounts": [mount],
            },
            "Placement": {"Constraints": constraints},
            "RestartPolicy": {"Condition": "any", "Delay": SECOND},
        }

    def scale(self, name: str, replicas: int) -> None:
        found = self.api.inspect_service(name)
        self._update(found, {**found["Spec"], "Mode": {"Replicated": {"Replicas": replicas}}})

    def renew(self, name: str, node: str) -> None:
        """A rolling update to a new container, on that node."""
        found = self.api.inspect_service(name)
        template = found["Spec"]["TaskTemplate"]
        changed = {
            "ForceUpdate": template.get("ForceUpdate", 0) + 1,
            "Placement": {"Constraints": [f"node.hostname == {node}"]},
        }
        self._update(found, {**found["Spec"], "TaskTemplate": {**template, **changed}})

    def ask_for(self, name: str, size: str) -> None:
        """As `docker stack deploy` does when the size in the stack file was changed."""
        found = self.api.inspect_service(name)
        spec = found["Spec"]
        for mount in spec["TaskTemplate"]["ContainerSpec"]["Mounts"]:
            mount["VolumeOptions"]["DriverConfig"]["Options"]["size"] = size
        self._update(found, spec)

    def _update(self, found: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        self.api._post_json(
            self.api._url("/services/{0}/update", found["ID"]),
            data=spec,
            params={"version": found["Version"]["Index"]},
        ).raise_for_status()

    def errors(self, name: str) -> Sequence[str]:
        """The ERROR column of `docker service ps --no-trunc`."""
        done = self.cli(self.scenario.cluster.manager(), "service", "ps", "--no-trunc", "--format", "{{.Error}}", name)
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
        names = self.scenario.cluster.hostnames()
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
        stacks = self.scenario.stacks
        variables = {**stacks.variables, "REBERTH_CONFIG": "reberth-empty"}
        replace(stacks, variables=variables).deploy_system()
        end = time.monotonic() + PATIENCE
        while not self._says_no_storage():
            assert time.monotonic() < end, "no controller without storage runs"
            time.sleep(0.5)

    def _says_no_storage(self) -> bool:
        try:
            return "storage" in self.scenario.cluster.ask_controller("status", "--json").partition('"unread"')[2]
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
            end = time.monotonic() + self._patience
            while any(self._containers(machine.name, name) for machine in self.scenario.lab.nodes):
                assert time.monotonic() < end, f"containers of {name} do not end"
                time.sleep(0.2)

    def _containers(self, node: str, service: str) -> list[Any]:
        label = f"com.docker.swarm.service.name={service}"
        # Sparse: one that goes while it is being looked at is gone, not an error.
        found = self.scenario.cluster.client(node).containers.list(all=True, filters={"label": label}, sparse=True)
        return list(found)

    def running(self, node: str, service: str) -> Sequence[str]:
        """IDs of the service's containers that run on a node."""
        label = f"label=com.docker.swarm.service.name={service}"
        done = self.cli(node, "ps", "-q", "--no-trunc", "--filter", label)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def clear(self) -> None:
        self.remove(*self._made)
        self._made.clear()

    def cli(self, node: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The docker command on a node."""
        environment = {**os.environ, **self.scenario.lab.environment(node)}
        return subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, check=False, timeout=150
        )

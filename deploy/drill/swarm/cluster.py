"""The Swarm of a drill as seen and handled from outside: services, tasks, containers, the controller's words."""

from __future__ import annotations

import gzip
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import docker
import msgspec
import requests
from docker.errors import APIError
from docker.models.containers import Container

from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import Machine, SwarmLab
from deploy.drill.swarm.container_exec import run_in
from deploy.drill.swarm.controller_answers import Explanation, Status

DATABASE = "db"  # the stack of the PostgreSQL example
SYSTEM = "reberth"  # the stack of Reberth itself
CONTROLLER = f"{SYSTEM}_controller"  # its service on the managers
DRIVER = "reberth"
PROBE_FILE = "probe.bin"
POLL = 0.25
# Seconds until Swarm has a leader again. A round takes 10 to 20 s, and one may end without a leader: a manager that
# comes back, and that the leader has not reached yet, stands with an old log, and the others have to begin anew.
ELECTION = 90.0
# Swarm's words about a request that came into an election.
_NO_LEADER = ("node lost leader status", "does not have a leader", "no elected leader")
T = TypeVar("T")
Trouble = (docker.errors.DockerException, requests.RequestException, subprocess.TimeoutExpired)


@dataclass(frozen=True, slots=True)
class Place:
    """Where PostgreSQL runs."""

    node: str  # hostname
    task: str
    container: str
    volume: str  # as Docker says it, templates expanded
    folder: str  # of the volume in the container


def wait_for(what: Callable[[], str], seconds: float, step: float = POLL) -> None:
    """Until ``what`` has nothing to complain about; raises DrillError with its last complaint."""
    end = time.monotonic() + seconds
    while complaint := _complaint(what):
        if time.monotonic() > end:
            raise DrillError(f"{complaint} (waited {seconds:.0f} s)")
        time.sleep(step)


def through_election(act: Callable[[], None], seconds: float = ELECTION) -> None:
    """
    Do what may be done twice, again while Swarm says that it has no leader for it: a manager that comes back can make
    the others choose anew. Raises what ``act`` raised last.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (APIError, DrillError) as error:
            if not any(words in str(error) for words in _NO_LEADER) or time.monotonic() > end:
                raise
        time.sleep(POLL)


def _complaint(what: Callable[[], str]) -> str:
    try:
        return what()
    except DrillError as error:  # such as no leader: an election may be under way
        return str(error)
    except Trouble as error:
        return f"Docker does not answer: {error}"


class Cluster:
    """Asks whichever manager answers: the fault may have hit the one that was asked last."""

    def __init__(self, lab: SwarmLab) -> None:
        self.lab = lab
        self.controller = CONTROLLER
        self.avoid: str = ""  # the node that is broken now
        self.returned: str = ""  # the node that was broken before and takes part again
        self._clients: dict[str, docker.DockerClient] = {}

    def client(self, node: str) -> docker.DockerClient:
        """With a short time limit: a frozen engine takes the connection and never answers."""
        if node not in self._clients:
            url = f"unix://{self.lab.node(node).socket}"
            self._clients[node] = docker.DockerClient(base_url=url, version="1.41", timeout=20)
        return self._clients[node]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def machines(self) -> Iterator[Machine]:
        """All that are not broken now."""
        return (machine for machine in self.lab.nodes if machine.name != self.avoid)

    def manager(self) -> str:
        """A manager that answers and knows a leader. Raises DrillError."""
        problem = "there is none"
        for machine in self.machines():
            if not machine.manager:
                continue
            try:
                self.client(machine.name).api.inspect_swarm()
            except Trouble as error:
                problem = str(error)
            else:
                return machine.name
        raise DrillError(f"no manager of the lab answers: {problem}")

    def api(self) -> Any:
        """docker-py's low-level client of a manager; half of it has no types."""
        return self.node_api(self.manager())

    def node_api(self, node: str) -> Any:
        return self.client(node).api

    def nodes(self) -> list[Mapping[str, Any]]:
        return list(self.api().nodes())

    def hostnames(self) -> dict[str, str]:
        return {node["ID"]: node["Description"]["Hostname"] for node in self.nodes()}

    def leader(self) -> str:
        """Hostname of Swarm's leader, or nothing."""
        leaders = [node for node in self.nodes() if node.get("ManagerStatus", {}).get("Leader")]
        return str(leaders[0]["Description"]["Hostname"]) if leaders else ""

    def all_ready(self) -> str:
        """A complaint, or nothing when every node is ready, active, and every manager reachable."""
        found = self.nodes()
        bad = [
            f"{node['Description'].get('Hostname', node['ID'])} is {node['Status']['State']}"
            for node in found
            if node["Status"]["State"] != "ready"
            or node.get("ManagerStatus", {}).get("Reachability", "reachable") != "reachable"
        ]
        missing = len(self.lab.nodes) - len(found)
        if missing > 0:
            bad.append(f"{missing} have not joined")
        return f"nodes are not ready: {', '.join(bad)}" if bad else ""

    def nodes_without(self, plugin: str) -> list[str]:
        """Nodes that have not told Swarm of this volume plugin."""
        return [
            str(node["Description"]["Hostname"])
            for node in self.nodes()
            if not any(
                (each["Type"], each["Name"].split(":")[0]) == ("Volume", plugin)
                for each in node["Description"]["Engine"].get("Plugins") or ()
            )
        ]

    def set_availability(self, node: str, availability: str) -> None:
        through_election(lambda: self._set_availability(node, availability))

    def _set_availability(self, node: str, availability: str) -> None:
        for found in self.nodes():  # Docker's own filter also finds names that only begin so
            if found["Description"].get("Hostname") == node:
                spec = {**found["Spec"], "Availability": availability}
                self.api().update_node(found["ID"], found["Version"]["Index"], spec)

    def services(self, stack: str) -> list[Mapping[str, Any]]:
        return list(self.api().services(filters={"label": f"com.docker.stack.namespace={stack}"}))

    def database_service(self) -> str:
        """Name of the service that mounts a volume of ours. Raises DrillError when there is none."""
        for service in self.services(DATABASE):
            if any(_is_ours(mount) for mount in _mounts(service["Spec"])):
                return str(service["Spec"]["Name"])
        raise DrillError(f"no service of the stack {DATABASE} mounts a volume with the driver {DRIVER}")

    def tasks(self, service: str) -> list[Mapping[str, Any]]:
        return list(self.api().tasks(filters={"service": service}))

    def place(self) -> Place:
        """Where PostgreSQL runs now. Raises DrillError with the tasks' own reasons when it runs nowhere."""
        return self.place_of(self.database_service())

    def place_of(self, service: str) -> Place:
        """The same for any service with a volume of ours."""
        tasks = self.tasks(service)
        names = self.hostnames()
        for task in tasks:
            status = task["Status"]
            if task["DesiredState"] == "running" and status["State"] == "running":
                node = names.get(task["NodeID"], "")
                return self.look(node, task["ID"], status["ContainerStatus"]["ContainerID"])
        raise DrillError(f"{service} runs nowhere: {reasons(tasks, names)}")

    def look(self, node: str, task: str, container: str) -> Place:
        mounts = self.client(node).api.inspect_container(container)["Mounts"]
        ours = [mount for mount in mounts if mount.get("Driver", "").split(":")[0] == DRIVER]
        if not ours:
            raise DrillError(f"the container of {task} on {node} has no volume of the driver {DRIVER}")
        return Place(node, task, container, str(ours[0]["Name"]), str(ours[0]["Destination"]))

    def probe(self, place: Place) -> bytes:
        """The probe's file, read through the running container."""
        # Mostly zeros and spaces.
        code, out, err = self.run(place.node, place.container, "gzip", "-1", "-c", f"{place.folder}/{PROBE_FILE}")
        if code != 0:
            raise DrillError(f"the probe's file cannot be read on {place.node}: {err}")
        try:
            return gzip.decompress(out)
        except (OSError, EOFError, zlib.error) as error:
            raise DrillError(f"the probe's file came broken from {place.node}: {error}") from error

    def run(self, node: str, container: str, *command: str) -> tuple[int, bytes, str]:
        """A command in a container: exit code, output, and what it said on standard error. Raises Trouble."""
        return run_in(self.lab.environment(node), container, *command)

    def controllers(self, avoid: str = "") -> list[tuple[str, Container]]:
        """Running controller containers, with their nodes, that can be reached now."""
        found: list[tuple[str, Container]] = []
        for machine in self.machines():
            if not machine.manager or machine.name == avoid:
                continue
            label = f"com.docker.swarm.service.name={self.controller}"
            try:
                running = self.client(machine.name).containers.list(
                    filters={"label": label, "status": "running"}, ignore_removed=True
                )
            except Trouble:
                continue
            found += [(machine.name, container) for container in running]
        return found

    def ask_controller(self, *words: str) -> str:
        """Output of ``reberth WORDS`` in a controller that answers. Raises DrillError."""
        problem = "no controller runs"
        for node, container in self.controllers():
            try:
                code, out, err = self.run(node, str(container.id), "/opt/reberth/bin/reberth", *words)
            except Trouble as error:
                problem = f"{node}: {error}"
                continue
            if code == 0:
                return out.decode(errors="replace")
            problem = f"{node}: {(err or out.decode(errors='replace')).strip()[-500:]}"
        raise DrillError(f"`reberth {' '.join(words)}` has no answer: {problem}")

    def explain(self, volume: str) -> Explanation:
        return self._told(Explanation, "explain", volume)

    def unread(self) -> tuple[str, ...]:
        """What the acting controller cannot read, one sentence each."""
        return self._told(Status, "status").unread

    def _told(self, kind: type[T], *words: str) -> T:
        text = self.ask_controller(*words, "--json")
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError as error:
            raise DrillError(f"`reberth {words[0]} --json` cannot be read: {error}: {text[:300]}") from error

    def why(self, volume: str) -> str:
        """Why a volume's task waits, in Swarm's and the controller's words; for a person."""
        words: list[str] = []
        try:
            words.append(reasons(self.tasks(self.database_service()), self.hostnames()))
        except (*Trouble, DrillError) as error:
            words.append(str(error))
        try:
            explanation = self.explain(volume)
            words.append(f"{explanation.placement}: {explanation.decision}: {explanation.why} {explanation.cure}")
        except DrillError as error:
            words.append(str(error))
        return " / ".join(words)


def reasons(tasks: list[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """The newest tasks with their states and errors, as `docker service ps` shows them."""
    newest = sorted(tasks, key=lambda task: str(task["CreatedAt"]), reverse=True)[:3]
    return "; ".join(
        f"task {task['ID'][:12]} on {names.get(task.get('NodeID', ''), 'no node')} is {task['Status']['State']}"
        f" ({task['Status'].get('Err') or task['Status'].get('Message', '')})"
        for task in newest
    )


def _mounts(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(spec["TaskTemplate"]["ContainerSpec"].get("Mounts") or [])


def _is_ours(mount: Mapping[str, Any]) -> bool:
    driver = (mount.get("VolumeOptions") or {}).get("DriverConfig") or {}
    return str(driver.get("Name", "")).split(":")[0] == DRIVER

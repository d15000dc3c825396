"""
Swarm's view of the fault: when it called the node down, and when it gave the task to another node.

Polled, because tasks have no events; on whichever manager answers, because the fault may hit the one we talk to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import docker
import requests

from deploy.drill.lab_protocols import Machine

STEP = 0.1
ANSWER = 3.0  # seconds that a manager has to answer; after a change of leader it may take long, another may know more
Json = Mapping[str, Any]


@dataclass(slots=True)
class Sightings:
    """What the polls showed so far. Pure: times come with the polls."""

    node: str  # hostname of the node that is hit
    known: frozenset[str] = frozenset()  # tasks from before the fault
    node_down: float | None = None
    assigned: float | None = None
    states: dict[str, str] = field(default_factory=dict)  # by task: state and reason, newest

    def see(self, at: float, nodes: Iterable[Json], tasks: Iterable[Json]) -> None:
        """One consistent enough look at Swarm's lists, taken at ``at`` (unix seconds)."""
        names = {node["ID"]: node["Description"]["Hostname"] for node in nodes if "Hostname" in node["Description"]}
        if self.node_down is None and self._is_down(nodes):
            self.node_down = at
        for task in tasks:
            self._see_task(at, task, names)

    def _is_down(self, nodes: Iterable[Json]) -> bool:
        mine = [node for node in nodes if node["Description"].get("Hostname") == self.node]
        return bool(mine) and all(node["Status"]["State"] == "down" for node in mine)

    def _see_task(self, at: float, task: Json, names: Mapping[str, str]) -> None:
        status = task["Status"]
        where = names.get(task.get("NodeID", ""), "no node yet")
        reason = status.get("Err") or status.get("Message", "")
        self.states[task["ID"]] = f"{task['ID'][:12]} on {where}: {status['State']} ({reason})"
        fresh = task["ID"] not in self.known and bool(task.get("NodeID"))
        if fresh and self.assigned is None and task["DesiredState"] in {"ready", "running"}:
            self.assigned = at


class SwarmWatch:
    """A thread that polls. Use as a context manager around the fault."""

    def __init__(self, machines: Sequence[Machine], service: str, node: str, known: Iterable[str]) -> None:
        self.sightings = Sightings(node=node, known=frozenset(known))
        self._service = service
        others = [machine for machine in machines if machine.manager and machine.name != node]
        self._managers = [*others, *(machine for machine in machines if machine.name == node and machine.manager)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="drill-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(2 * ANSWER)

    def _work(self) -> None:
        turn = 0
        while not self._stop.is_set():
            manager = self._managers[turn % len(self._managers)]
            try:
                self._poll(manager)
            except (docker.errors.DockerException, requests.RequestException):
                turn += 1  # it is the one that was hit, or it has no leader: another may answer
                self._stop.wait(STEP)

    def _poll(self, manager: Machine) -> None:
        client: Any = docker.APIClient(base_url=f"unix://{manager.socket}", version="1.41", timeout=int(ANSWER))
        try:
            while not self._stop.wait(STEP):
                nodes = client.nodes()
                tasks = client.tasks(filters={"service": self._service})
                self.sightings.see(time.time(), nodes, tasks)
        finally:
            client.close()

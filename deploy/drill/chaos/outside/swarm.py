"""A swarm as its managers' Docker shows it, in the shapes that drills know: a lab, a cluster, a scenario."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from threading import Lock

import docker
import msgspec

from deploy.drill.chaos.outside.engines import Engine
from deploy.drill.chaos.outside.refusals import Json, hostname, manages
from deploy.drill.chaos.outside.switch import Switch, Switched
from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import Machine
from deploy.drill.swarm.cluster import Cluster, Place
from deploy.drill.swarm.scenario import Scenario

AGAIN = 60.0  # seconds that a machine may take to be a ready node


@dataclass(frozen=True, slots=True)
class OutsideNode:
    name: str
    address: str
    manager: bool
    socket: Path = Path("/nonexistent")  # nobody is on its machine


def made_of(node: Json, addresses: Mapping[str, str]) -> OutsideNode:
    """A manager's own word for itself may be 0.0.0.0: then the address is that of its Raft."""
    name = hostname(node)
    raft = str((node.get("ManagerStatus") or {}).get("Addr", "")).rpartition(":")[0].strip("[]")
    told = str(node["Status"].get("Addr", ""))
    return OutsideNode(name, addresses.get(name) or raft or told, manages(node))


@dataclass(slots=True)
class OutsideLab:
    """
    ``may_break``: names; power is switched for these alone. ``machines``: VMs by node, as Reberth knows them.
    ``switched``: when a node was last switched on, by the monotonic clock.
    """

    nodes: Sequence[OutsideNode]
    may_break: frozenset[str]
    off: Switch | None
    on: Switch | None
    engines: Mapping[str, Engine]  # by hostname
    machines: Mapping[str, str] = field(default_factory=dict)
    switched: dict[str, float] = field(default_factory=dict)
    is_off: set[str] = field(default_factory=set)
    _locks: Mapping[str, Lock] = field(default_factory=lambda: defaultdict(Lock))  # by node: on does not overtake off

    def node(self, name: str) -> OutsideNode:
        for each in self.nodes:
            if each.name == name:
                return each
        raise DrillError(f"the swarm has no node {name}")

    def _engine(self, name: str) -> Engine:
        if name not in self.engines:
            raise DrillError(f"there is no Docker context for {name}")
        return self.engines[name]

    def docker(self, name: str) -> docker.DockerClient:
        return self._engine(name).client

    def environment(self, name: str) -> Mapping[str, str]:
        return self._engine(name).environment

    def power(self, name: str) -> str:
        """As far as this run has switched it."""
        return "off" if name in self.is_off else "on"

    def power_off(self, name: str) -> None:
        with self._locks[name]:
            self._may_switch(name)
            self.is_off.add(name)  # before: it may be done where the command says that it failed
            self._switch(self.off, name)

    def power_on(self, name: str) -> None:
        with self._locks[name]:
            self._may_switch(name)
            self._switch(self.on, name)
            self.is_off.discard(name)
            self.switched[name] = time.monotonic()

    def _may_switch(self, name: str) -> None:
        if name not in self.may_break:
            raise DrillError(f"{name} is not among the nodes that may be broken")

    def _switch(self, switch: Switch | None, name: str) -> None:
        if switch is None:
            raise DrillError("nobody said how a node is switched: --switch-off, --switch-on")
        switch(Switched(name, self.node(name).address, self.machines.get(name, "")))

    def exec(self, name: str, command: Sequence[str]) -> CompletedProcess[str]:
        raise _not_from_outside(name, command[0])

    def freeze(self, name: str) -> None:
        raise _not_from_outside(name, "freeze")

    def thaw(self, name: str) -> None:
        raise _not_from_outside(name, "thaw")

    def cut(self, name: str) -> None:
        raise _not_from_outside(name, "cut")

    def heal(self, name: str) -> None:
        raise _not_from_outside(name, "heal")


def _not_from_outside(name: str, what: str) -> DrillError:
    return DrillError(f"{what} on {name} cannot be done from outside")


class OutsideCluster(Cluster):
    """Asks those managers that there is a Docker context for."""

    def __init__(self, lab: OutsideLab, controller: str, database: str) -> None:
        super().__init__(lab)
        self.outside = lab
        self.controller = controller
        self._database = database

    def client(self, node: str) -> docker.DockerClient:
        return self.outside.docker(node)

    def machines(self) -> Iterator[Machine]:
        return (machine for machine in self.lab.nodes if machine.name in self.outside.engines)

    def database_service(self) -> str:
        return self._database

    def look(self, node: str, task: str, container: str) -> Place:
        """Its mounts would have to be asked of its own node."""
        return Place(node, task, container, "", "")

    def switch_on_again(self) -> None:
        """A node that Reberth powered off while it came back is still missed some time later: its switch is ours."""
        down = {hostname(node) for node in self.nodes() if node["Status"]["State"] != "ready"}
        for name, at in tuple(self.outside.switched.items()):
            if name in down and time.monotonic() > at + AGAIN:
                self.outside.power_on(name)

    def vms(self) -> dict[str, str]:
        """Node -> machine, as Reberth knows them. Raises DrillError."""
        lines = msgspec.json.decode(self.ask_controller("status", "--json"), type=_Status).nodes
        return {line.node: line.vm for line in lines if line.vm}


class _Node(msgspec.Struct, frozen=True):
    node: str
    vm: str | None = None


class _Status(msgspec.Struct, frozen=True):
    nodes: tuple[_Node, ...] = ()


def runs(task: Json) -> bool:
    return str(task["DesiredState"]) == "running" and str(task["Status"]["State"]) == "running"


class OutsideScenario(Scenario):
    """What a lab asks of each node's own Docker is asked of Swarm."""

    def has_gate(self, node: str) -> bool:  # noqa: ARG002 -- Swarm's list of a node's plugins is asked beside this
        return True

    def serving(self) -> set[str]:
        names, tasks = self.cluster.hostnames(), self.cluster.tasks(self.cluster.controller)
        return {names.get(str(task.get("NodeID")), "") for task in tasks if runs(task)}

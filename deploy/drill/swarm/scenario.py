"""A lab with both stacks on it, and the things that can be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker.errors import APIError

from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.swarm.cluster import CONTROLLER, SYSTEM, Cluster, Trouble, wait_for
from deploy.drill.swarm.stacks import Stacks

LABEL = "reberth"  # with the value "down" on a node that is dead


@dataclass(frozen=True, slots=True)
class Scenario:
    lab: SwarmLab
    cluster: Cluster
    stacks: Stacks
    engine_logs: Mapping[str, Path] = field(default_factory=dict)  # by node; the gate's words are in them
    proxy: FaultProxy | None = None

    def need_proxy(self) -> FaultProxy:
        if self.proxy is None:
            raise DrillError("this drill was not set up to stop controllers at their calls")
        return self.proxy

    def hold_others(self, node: str) -> None:
        """No new task goes to another node: so the replacement of a killed container comes back where it was."""
        self._others(node, "pause")

    def free_others(self, node: str) -> None:
        self._others(node, "active")

    def _others(self, node: str, availability: str) -> None:
        for machine in self.lab.nodes:
            if machine.name != node:
                self.cluster.set_availability(machine.name, availability)

    def kill_database(self) -> None:
        """As the kernel's OOM killer does: the container's first process is gone at once."""
        place = self.cluster.place()
        self.cluster.client(place.node).containers.get(place.container).kill("SIGKILL")

    def kill_controllers(self) -> tuple[str, ...]:
        """Kills every controller that can be reached at this moment; returns their nodes."""
        killed: list[str] = []
        for node, container in self.cluster.controllers():
            try:
                container.kill("SIGKILL")
            except APIError:
                continue  # it ended by itself in between
            killed.append(node)
        return tuple(killed)

    def restart_engine(self, node: str) -> None:
        """SIGTERM to dockerd, as `systemctl restart docker` sends it; the node starts it again by itself."""
        done = self.lab.exec(node, ["sh", "-c", "kill -TERM $(cat /var/run/docker.pid)"])
        if done.returncode != 0:
            raise DrillError(f"the Docker engine of {node} cannot be told to stop: {done.stderr}")

    def remove_database(self) -> None:
        """Ends when no task of it is left: a new deployment then starts from nothing but the volume."""
        self.stacks.remove_database()
        wait_for(self._database_gone, 90.0)

    def _database_gone(self) -> str:
        left = [machine.name for machine in self.cluster.machines() if self._has_database(machine.name)]
        services = self.cluster.services(self.stacks.database)
        return f"the removed stack still has containers on {', '.join(left) or 'no node'}" if left or services else ""

    def _has_database(self, node: str) -> bool:
        label = f"com.docker.stack.namespace={self.stacks.database}"
        try:
            return bool(self.cluster.client(node).containers.list(filters={"label": label}, sparse=True))
        except Trouble:
            return False

    def deploy_database(self) -> None:
        self.stacks.deploy_database()

    def ready(self, seconds: float = 120.0) -> None:
        """Waits until nodes, gates and controllers are fit for the next fault. Raises DrillError: what is not."""
        wait_for(self.cluster.all_ready, seconds)
        wait_for(self._all_served, seconds)

    def _all_served(self) -> str:
        """Every node has an enabled gate that Swarm's scheduler knows, and every manager a controller."""
        bad = [f"{machine.name} has no gate enabled" for machine in self.lab.nodes if not self.has_gate(machine.name)]
        # A node describes itself every 20 s. Until then no task with a volume of ours is placed on it.
        bad += [f"Swarm does not know the gate of {name} yet" for name in self.cluster.nodes_without(SYSTEM)]
        bad += [f"{name} still bears the label of a dead node" for name in self.labelled()]
        serving = self.serving()
        bad += [
            f"{machine.name} has no running {CONTROLLER}"
            for machine in self.lab.nodes
            if machine.manager and machine.name not in serving
        ]
        return "; ".join(bad)

    def labelled(self) -> list[str]:
        """Nodes that bear the label of the dead."""
        return [
            str(node["Description"].get("Hostname", node["ID"]))
            for node in self.cluster.nodes()
            if (node["Spec"].get("Labels") or {}).get(LABEL) == "down"
        ]

    def has_gate(self, node: str) -> bool:
        plugins = self.cluster.node_api(node).plugins()
        return any(plugin["Name"].split(":")[0] == SYSTEM and plugin["Enabled"] for plugin in plugins)

    def serving(self) -> set[str]:
        """Nodes with a running controller."""
        return {node for node, _ in self.cluster.controllers()}

"""What a drill can break. One class a fault: what it does, how it is undone, and what must be true after it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from controller.model import EvidenceKind
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, NAMESPACES, VMS, Simple
from deploy.drill.lab_protocols import FragileStorage, mend_network
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload import sample_table


class PowerOff(Simple):
    name = "power-off"
    text = "The machine under the node loses its power."
    labs = (NAMESPACES, VMS)
    expected = DEAD

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        sample_table.tell(scenario)

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_off(node)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        return sample_table.objections(scenario)

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


class Freeze(Simple):
    """The node's VM hangs: it may go on at any moment, so only a power-off makes evidence."""

    name = "freeze"
    text = "The machine under the node hangs, with its disk and its PostgreSQL."
    expected = DEAD

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.freeze(node)

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


class Cut(Simple):
    """The node's PostgreSQL goes on writing where nobody reaches it, until the machine is fenced."""

    name = "cut"
    text = "The node's network is cut; the machine and its PostgreSQL run on."
    expected = DEAD

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.cut(node)

    def undo(self, scenario: Scenario, node: str) -> None:
        mend_network(scenario.lab, node)


class Drain(Simple):
    name = "drain"
    text = "The node is drained: a planned move."
    labs = (NAMESPACES, VMS)
    expected = Expectation(evidence=EvidenceKind.RELEASED, moves=True, clean=True)

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.cluster.set_availability(node, "drain")

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.cluster.set_availability(node, "active")


class Restart(Simple):
    name = "restart"
    text = "The container is killed; its replacement is held on the same node."
    labs = (NAMESPACES, VMS)
    expected = Expectation(stays=True)

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.hold_others(node)  # or Swarm may choose another node, which would be a move
        scenario.kill_database()

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.free_others(node)


class DockerdRestart(Simple):
    name = "dockerd-restart"
    text = "The Docker engine of the node is restarted."
    labs = (NAMESPACES, VMS)
    expected = Expectation()

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.restart_engine(node)


@dataclass(slots=True)
class ControllerKill(Simple):
    """
    Every surviving controller is killed once, at a moment chosen by chance in the middle of a failover; at its end, if
    that was over sooner.
    """

    name = "controller-kill"
    text = "The machine loses its power, and all controllers are killed while the disk moves."
    expected = DEAD
    moment: float = field(default_factory=lambda: round(random.uniform(0.0, 20.0), 1))  # noqa: S311 -- no secret
    killed_at: float | None = None  # seconds after the fault
    _began: float = 0.0

    def act(self, scenario: Scenario, node: str) -> None:
        self._began = time.monotonic()
        scenario.lab.power_off(node)

    def meanwhile(self, scenario: Scenario, elapsed: float) -> None:
        if self.killed_at is None and elapsed >= self.moment:
            self._kill(scenario)

    def recovered(self, scenario: Scenario) -> None:
        if self.killed_at is None:
            self._kill(scenario)

    def _kill(self, scenario: Scenario) -> None:
        self.killed_at = round(time.monotonic() - self._began, 1)
        scenario.kill_controllers()

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


@dataclass(slots=True)
class StorageAway(Simple):
    """Nothing can be read meanwhile, so nothing may be moved; then everything goes on by itself."""

    name = "storage-away"
    text = "The machine loses its power while the storage system does not answer; it answers again 30 s later."
    storage = "vsphere"
    expected = DEAD
    away: float = 30.0  # longer than Swarm takes to see the node down
    done: bool = False

    def act(self, scenario: Scenario, node: str) -> None:
        if not isinstance(scenario.lab, FragileStorage):
            raise DrillError("--fault storage-away needs a storage that can go away: --storage vsphere")
        scenario.lab.storage_away()
        scenario.lab.power_off(node)

    def meanwhile(self, scenario: Scenario, elapsed: float) -> None:
        if not self.done and elapsed >= self.away and isinstance(scenario.lab, FragileStorage):
            self.done = True
            scenario.lab.storage_back()

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


class StackRemove(Simple):
    name = "stack-rm"
    text = "The stack is removed and deployed again."
    expected = Expectation()

    def act(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002 -- every node loses the stack
        scenario.remove_database()
        scenario.deploy_database()

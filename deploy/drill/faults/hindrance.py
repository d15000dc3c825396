"""Faults of a failover that vCenter stands in the way of: it is held, with the reason, until an administrator acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from controller.model import Moment
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, Simple
from deploy.drill.faults.vcenter import LOOK, rounded, vcenter
from deploy.drill.report.data import Setting
from deploy.drill.swarm.cluster import Trouble
from deploy.drill.swarm.controller_answers import Explanation
from deploy.drill.swarm.scenario import Scenario

HELD = 5.0  # seconds for which nothing may happen once the reason is told, and the next task waits for the disk


@dataclass(slots=True)
class Hindrance(Simple):
    """
    The machine dies, and vCenter holds its disk fast or hides it: that is no proof that the disk is free. Once the next
    task has waited for a while, and the reason was told, the administrator clears it, and all goes on by itself.
    """

    storage = "vsphere"
    expected = DEAD
    kind: ClassVar[str]  # as `Vcenter.hinder` knows it
    says: ClassVar[str]  # what has to be told
    node: str = ""
    volume: str = ""
    since: float = 0.0  # unix seconds
    tasks: frozenset[str] = frozenset()  # of PostgreSQL, from before the fault
    told: float | None = None  # seconds after the fault, as the next ones
    held: float | None = None  # from when on it was told, and somebody waited
    cleared: float | None = None
    early: str = ""  # a move of the disk before it was cleared
    heard: str = ""  # what was told last
    looked: float = 0.0

    def prepare(self, scenario: Scenario, node: str) -> None:
        self.node, self.volume = node, scenario.cluster.place().volume
        self.tasks = _assigned(scenario)
        self.since = max((row.at for row in scenario.cluster.explain(self.volume).history), default=0.0)

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_off(node)
        vcenter(scenario).hinder(self.kind, node, self.volume)

    def meanwhile(self, scenario: Scenario, elapsed: float) -> None:
        if self.cleared is not None or elapsed < self.looked + LOOK:
            return
        self.looked = elapsed
        try:
            seen = scenario.cluster.explain(self.volume)
            waits = not _assigned(scenario) <= self.tasks
        except (DrillError, *Trouble):
            return  # an election may be under way: asked again soon
        if self.over(elapsed, seen, waits=waits):
            vcenter(scenario).clear(self.kind, self.node)
            self.cleared = elapsed

    def over(self, elapsed: float, seen: Explanation, *, waits: bool = True) -> bool:
        """Whether the administrator clears it now, who sees this. ``waits``: a task elsewhere needs the disk."""
        self._hear(seen)
        if self.told is None and self.says in self.heard:
            self.told = elapsed
        if self.held is None and self.told is not None and waits:
            self.held = elapsed
        return self.held is not None and elapsed > self.held + HELD

    def _hear(self, seen: Explanation) -> None:
        self.heard = " / ".join(filter(None, (seen.decision, seen.why, seen.cure, seen.setback)))
        moved = (row.text for row in seen.history if row.at > self.since and row.moment is Moment.DETACHED)
        self.early = self.early or next(moved, "")

    def objections(self, scenario: Scenario) -> tuple[str, ...]:  # noqa: ARG002
        return self.missing()

    def missing(self) -> tuple[str, ...]:
        found = {
            f"nobody was told of it ({self.says!r}), but: {self.heard}": self.told is None,
            f"the disk was taken while vCenter did not show it free: {self.early}": bool(self.early),
            "it went on before the administrator acted": self.cleared is None,
        }
        return tuple(sentence for sentence, wrong in found.items() if wrong)

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {"told_seconds": rounded(self.told), "cleared_seconds": rounded(self.cleared)}

    def undo(self, scenario: Scenario, node: str) -> None:
        if self.cleared is None:
            vcenter(scenario).clear(self.kind, node)
        scenario.lab.power_on(node)


def _assigned(scenario: Scenario) -> frozenset[str]:
    """Tasks of PostgreSQL that Swarm has given to a node."""
    tasks = scenario.cluster.tasks(scenario.cluster.database_service())
    return frozenset(task["ID"] for task in tasks if task.get("NodeID"))


class VmSnapshot(Hindrance):
    name = "vm-snapshot"
    text = (
        "The machine loses its power while its VM has a snapshot, as during a backup; it is deleted once it is named."
    )
    kind = "snapshot"
    says = "has a snapshot"


class StorageVmotion(Hindrance):
    name = "storage-vmotion"
    text = "The machine loses its power, and its disk was moved and renamed; it is moved back once that is told."
    kind = "move"
    says = "Storage vMotion"


class EmptyDevices(Hindrance):
    name = "empty-devices"
    text = "The machine loses its power, and vCenter shows its VM without any device, until the list is whole again."
    kind = "empty"
    says = "an empty device list"

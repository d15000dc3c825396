"""Faults between the controllers and vCenter: a host it hears no more of, a session that ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from controller.model import EvidenceKind
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, Simple
from deploy.drill.faults.node import PowerOff
from deploy.drill.lab_protocols import Vcenter
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.cluster import Trouble, reasons
from deploy.drill.swarm.controller_answers import Explanation
from deploy.drill.swarm.scenario import Scenario

LOOK = 1.0  # seconds between two questions to a controller: each starts a process in its container
HELD = 10.0  # seconds for which nothing may happen after the alarm, before a person acts
RECONFIGURE = "ReconfigVM_Task"
NO_EVIDENCE = "Unknown is never taken for dead"  # what who waits is told
REASON = "the drill switched its host off"


class Do(Enum):
    NOTHING = "nothing"
    CONFIRM = "confirm"  # `reberth confirm-dead`
    FORGET = "forget"  # take the VM out of the inventory


@dataclass(slots=True)
class HostLost(Simple):
    """
    Nobody can tell a dead host from an isolated one, so all is held with an alarm until a person vouches for the
    machine's death, and takes it out of the inventory: vCenter can take no disk from a machine on a lost host.
    """

    name = "host-lost"
    text = "The host under the machine crashes, and vCenter cannot say whether the machine runs, until a person does."
    storage = "vsphere"
    expected = Expectation(evidence=EvidenceKind.CONFIRMED, moves=True)
    errors: bool = True  # wait until `docker service ps` tells why, too: a Mount is answered after 95 s
    node: str = ""
    volume: str = ""
    told: Explanation | None = None  # the alarm
    alarm: float | None = None  # seconds after the fault, as the next ones
    shown: float | None = None
    confirmed: float | None = None
    forgotten: float | None = None
    looked: float = 0.0

    def act(self, scenario: Scenario, node: str) -> None:
        self.node, self.volume = node, scenario.cluster.place().volume
        vcenter(scenario).lose_host(node)

    def meanwhile(self, scenario: Scenario, elapsed: float) -> None:
        if self.forgotten is not None or elapsed < self.looked + LOOK:
            return
        self.looked = elapsed
        try:
            self._go_on(scenario, elapsed)
        except (DrillError, *Trouble):
            return  # an election may be under way: asked again soon

    def _go_on(self, scenario: Scenario, elapsed: float) -> None:
        seen = scenario.cluster.explain(self.volume)
        column = reasons(scenario.cluster.tasks(scenario.cluster.database_service()), {})
        match self.seen(elapsed, seen, column):
            case Do.CONFIRM:
                scenario.cluster.ask_controller("confirm-dead", self.node, "--yes", "--reason", REASON)
                self.confirmed = elapsed
            case Do.FORGET:
                vcenter(scenario).forget_machine(self.node)
                self.forgotten = elapsed
            case Do.NOTHING:
                pass

    def seen(self, elapsed: float, told: Explanation, column: str) -> Do:
        """What a person does next, who sees this: each step after what the step before has led to."""
        if self.alarm is None:
            if told.state == "ALARM":
                self.alarm, self.told = elapsed, told
            return Do.NOTHING
        if self.errors and self.shown is None:
            if NO_EVIDENCE in column:
                self.shown = elapsed
            return Do.NOTHING
        if self.confirmed is None:
            return Do.CONFIRM if elapsed > self.alarm + HELD else Do.NOTHING
        return Do.FORGET if "inventory" in (told.setback or "") else Do.NOTHING

    def objections(self, scenario: Scenario) -> tuple[str, ...]:  # noqa: ARG002
        return self.missing()

    def missing(self) -> tuple[str, ...]:
        found = {
            "nobody was alarmed": self.alarm is None,
            "the alarm does not name `reberth confirm-dead`": self.told is not None
            and "confirm-dead" not in self.told.cure,
            "`docker service ps` did not show why the task waits": self.errors and self.shown is None,
            "it went on without a person's word": self.confirmed is None,
            "the disk left a machine that vCenter could not reach": self.forgotten is None,
        }
        return tuple(sentence for sentence, wrong in found.items() if wrong)

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {
            "alarm_seconds": rounded(self.alarm),
            "error_column_seconds": rounded(self.shown),
            "confirmed_seconds": rounded(self.confirmed),
            "out_of_inventory_seconds": rounded(self.forgotten),
        }

    def undo(self, scenario: Scenario, node: str) -> None:
        vcenter(scenario).return_host(node)


@dataclass(slots=True)
class SessionEnd(Simple):
    """At the calls that move the disk: each is met once by a session that has ended, and once loses its own."""

    name = "session-end"
    text = "The machine loses its power, and vCenter ends the controller's session at each call that moves the disk."
    storage = "vsphere"
    expected = DEAD
    before: int = 0

    def act(self, scenario: Scenario, node: str) -> None:
        lab = vcenter(scenario)
        self.before = lab.sessions_ended()
        lab.end_sessions_at(RECONFIGURE, ("before", "after") * 2)  # the detach, and the attach
        scenario.lab.power_off(node)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        ended = self._ended(scenario)
        return () if ended == 4 else (f"{ended} sessions were ended while the disk moved, not 4",)

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        return {"sessions_ended": self._ended(scenario)}

    def _ended(self, scenario: Scenario) -> int:
        return vcenter(scenario).sessions_ended() - self.before

    def undo(self, scenario: Scenario, node: str) -> None:
        PowerOff().undo(scenario, node)


def vcenter(scenario: Scenario) -> Vcenter:
    if not isinstance(scenario.lab, Vcenter):
        raise DrillError("this fault needs a vCenter: --storage vsphere")
    return scenario.lab


def rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)

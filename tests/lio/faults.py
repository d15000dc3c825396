"""What a storage array can do to a swarm whose volumes are its LUNs."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.drill.faults.base import VMS, Simple
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.cluster import Place
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload import sample_table
from tests.lio.array import Array

_PR = "/sys/kernel/config/target/core/fileio_0/lun*/pr"


@dataclass(slots=True)
class ArrayRestart(Simple):
    """Sessions come back by themselves; what was on its way is written again, by whoever still may."""

    array: Array
    name = "array-restart"
    text = "The storage array loses its power and is back, with the registrations that it was to keep."
    labs = (VMS,)
    expected = Expectation(stays=True, undisturbed=True)
    back: float = 0.0  # unix seconds
    before: Place | None = None
    keys: tuple[str, str] = ("", "")  # before and after it, as the array itself has them

    def victim(self, scenario: Scenario, node: str) -> str:
        return ""  # no node is broken

    def prepare(self, scenario: Scenario, node: str) -> None:
        sample_table.tell(scenario)
        self.before = scenario.cluster.place()

    def act(self, scenario: Scenario, node: str) -> None:
        before = registered(self.array)
        self.array.restart(keep=True)
        self.keys = before, registered(self.array)
        self.back = time.time()

    def settled(self, scenario: Scenario) -> float | None:
        return self.back

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        same = self.before == scenario.cluster.place()
        kept = self.keys[0] == self.keys[1]
        return (
            *(() if same else ("PostgreSQL was started anew",)),
            *(() if kept else (f"the array has other registrations: {self.keys}",)),
            *sample_table.objections(scenario),
        )

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        return {"registered": self.keys[1]}


@dataclass(slots=True)
class ArrayForgets(Simple):
    """
    Nobody is refused then, also no machine that was fenced, until the next look: the LUN is taken again, and a
    container whose key is gone meets errors. What it acknowledged was on the LUN.
    """

    array: Array
    name = "array-forgets"
    text = "The storage array loses its power and is back, and has forgotten all registrations."
    labs = (VMS,)
    expected = Expectation()

    def prepare(self, scenario: Scenario, node: str) -> None:
        sample_table.tell(scenario)

    def act(self, scenario: Scenario, node: str) -> None:
        self.array.shell("rm -f /etc/target/pr/aptpl_*")
        self.array.restart(keep=False)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        held = "Write Exclusive" in registered(self.array)
        return (*(() if held else ("the LUN is held by nobody",)), *sample_table.objections(scenario))

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        return {"registered": registered(self.array)}


def registered(array: Array) -> str:
    """Of all its LUNs, without the count of changes, which begins anew, and in one order, which it does not keep."""
    said = array.shell(f"cat {_PR}/res_pr_type {_PR}/res_holder {_PR}/res_pr_registered_i_pts")
    return "\n".join(sorted(re.sub(r"PRgen: \S+", "", said).splitlines()))

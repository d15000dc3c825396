"""Ceph or the BMCs do not answer while a machine is lost: nothing moves until they do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from controller.model import Moment
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, VMS, Simple
from deploy.drill.lab_protocols import BmcLab, CephLab
from deploy.drill.report.data import Setting
from deploy.drill.swarm.controller_answers import HistoryRow
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload import sample_table

AWAY = 75.0  # seconds: longer than Swarm takes to see an emulated leader down, with the grace
_CLOCKS = 2.0  # seconds that the guests' clocks may differ from ours


@dataclass(slots=True)
class Away(Simple):
    """Nothing may be taken for known meanwhile; then everything goes on by itself."""

    labs = (VMS,)
    expected = DEAD
    too_early: ClassVar[tuple[Moment, ...]] = (Moment.ATTACHED,)
    away_at: float = 0.0  # unix seconds, as the next one
    back_at: float = 0.0
    volume: str = ""

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        sample_table.tell(scenario)
        self.volume = scenario.cluster.place().volume

    def act(self, scenario: Scenario, node: str) -> None:
        self.away_at = time.time()
        self.leave(scenario)
        self.lose(scenario, node)

    def lose(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_off(node)

    def leave(self, scenario: Scenario) -> None:
        raise NotImplementedError

    def come_back(self, scenario: Scenario) -> None:
        raise NotImplementedError

    def meanwhile(self, scenario: Scenario, elapsed: float) -> None:
        if not self.back_at and elapsed >= AWAY:
            self.back_at = time.time()
            self.come_back(scenario)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        rows = scenario.cluster.explain(self.volume).history
        return (*judge(rows, self.too_early, self.away_at, self.back_at), *sample_table.objections(scenario))

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {"seconds_away": round(self.back_at - self.away_at, 1)}

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


def judge(rows: tuple[HistoryRow, ...], moments: tuple[Moment, ...], away_at: float, back_at: float) -> tuple[str, ...]:
    """Pure: what happened while nothing could be known."""
    if not back_at:
        return ("commits went on before what was away came back",)
    return tuple(
        f"it was {row.moment.value} while nothing could be known: {row.text}"
        for row in rows
        if row.moment in moments and away_at + _CLOCKS <= row.at < back_at - _CLOCKS
    )


class _CephAway(Away):
    """Evidence and detach are libvirt's; no disk is given to anybody."""

    storage = "rbd"
    kind: ClassVar[str]

    def leave(self, scenario: Scenario) -> None:
        _ceph(scenario).ceph_away(self.kind)

    def come_back(self, scenario: Scenario) -> None:
        _ceph(scenario).ceph_back(self.kind)


class MonitorAway(_CephAway):
    name = "monitor-away"
    text = "The machine loses its power while Ceph's monitor does not answer; it answers again 75 s later."
    kind = "mon"


class OsdAway(_CephAway):
    name = "osd-away"
    text = "The machine loses its power while Ceph's OSD does not answer; it answers again 75 s later."
    kind = "osd"


class _BmcTrouble(Away):
    """The machine hangs, and whether it runs only the BMC could tell. Unknown is not off."""

    needs_bmcs = True
    too_early = (Moment.EVIDENCE, Moment.DETACHED, Moment.ATTACHED)
    kind: ClassVar[str]

    def lose(self, scenario: Scenario, node: str) -> None:
        scenario.lab.freeze(node)

    def leave(self, scenario: Scenario) -> None:
        _bmcs(scenario).trouble_bmcs(self.kind)

    def come_back(self, scenario: Scenario) -> None:
        _bmcs(scenario).mend_bmcs(self.kind)


class BmcAway(_BmcTrouble):
    name = "bmc-away"
    text = "The machine hangs, and its BMC has no power; it is back 75 s later."
    kind = "away"


class BmcSlow(_BmcTrouble):
    name = "bmc-slow"
    text = "The machine hangs, and its BMC takes questions and answers none; it answers 75 s later."
    kind = "slow"


class BmcPassword(_BmcTrouble):
    name = "bmc-password"
    text = "The machine hangs, and its BMC has another password; it has the old one again 75 s later."
    kind = "password"


def _ceph(scenario: Scenario) -> CephLab:
    if not isinstance(scenario.lab, CephLab):
        raise DrillError("this fault needs disks on Ceph: --lab vms --storage rbd")
    return scenario.lab


def _bmcs(scenario: Scenario) -> BmcLab:
    if not isinstance(scenario.lab, BmcLab):
        raise DrillError("this fault needs BMCs: --lab vms --power redfish, or ipmi")
    return scenario.lab

"""A machine that is not dead, but missed: what its PostgreSQL does when it is back must not reach the disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from controller.model import EvidenceKind
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, Simple
from deploy.drill.lab_protocols import VirtualMachineLab
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.cluster import Place, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload import sample_table

_MET_ERRORS = re.compile(r"I/O error|offline device|Aborting journal|shut ?down|Remounting filesystem read-only")
_AWAKE = 90.0  # seconds for the machine to meet its errors, on a busy machine
_LINES = 12
POWER_OFF = "power-off"


@dataclass(slots=True)
class Lingering(Simple):
    """By the lab's policy it loses its disk, and is let go on after the failover; or its power, and then it is off."""

    old: Place | None = None
    known: int = 0  # how much its kernel had said before the fault
    kernel: str = ""
    postgres: str = ""
    ended: str = ""
    power: str = ""  # of the machine when commits went on; nothing where the policy is to detach

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        sample_table.tell(scenario)
        self.old = scenario.cluster.place()
        self.expected = expected(scenario.fence)

    def mark(self, scenario: Scenario) -> None:
        """Just before the fault."""
        if self.old is not None and isinstance(scenario.lab, VirtualMachineLab):
            self.known = len(scenario.lab.kernel_log(self.old.node))

    def go_on(self, scenario: Scenario, node: str) -> None:
        """The machine lives again, as before the fault."""
        raise NotImplementedError

    def recovered(self, scenario: Scenario) -> None:
        if self.old is None:
            return
        if scenario.fence == POWER_OFF:
            self.power = scenario.lab.power(self.old.node)
            return
        self.go_on(scenario, self.old.node)
        try:
            wait_for(lambda: self._look(scenario), _AWAKE)
        except DrillError:
            return  # what is missing is an objection

    def _look(self, scenario: Scenario) -> str:
        """What has not been seen yet of the old PostgreSQL's end."""
        if self.old is None or not isinstance(scenario.lab, VirtualMachineLab):
            return ""
        self.kernel = scenario.lab.kernel_log(self.old.node)[self.known :]
        container = scenario.cluster.client(self.old.node).containers.get(self.old.container)
        self.postgres = container.logs(tail=_LINES).decode(errors="replace")
        if container.status == "running":
            return "the old PostgreSQL still runs"
        self.ended = f"{container.status}, code {container.attrs['State']['ExitCode']}"
        return "" if _MET_ERRORS.search(self.kernel) else "the old machine's kernel has met no error"

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        found = judge_power(self.power) if scenario.fence == POWER_OFF else judge(self.ended, self.kernel)
        return (*found, *sample_table.objections(scenario))

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        if scenario.fence == POWER_OFF:
            return {"old_machine": self.power}
        return {
            "old_postgresql_ended": self.ended,
            "old_postgresql_said": self.postgres,
            "old_kernel_said": "\n".join(self.kernel.splitlines()[-2 * _LINES :]),
        }


def expected(fence: str) -> Expectation:
    return DEAD if fence == POWER_OFF else Expectation(evidence=EvidenceKind.DETACHED, moves=True)


def judge(ended: str, kernel: str) -> tuple[str, ...]:
    """Pure: whether the old PostgreSQL lost its disk, as far as its machine can tell."""
    found = () if ended else ("the PostgreSQL on the machine that was missed did not end",)
    errors = _MET_ERRORS.search(kernel) is not None
    return (
        found
        if errors
        else (*found, "the kernel of the machine that was missed met no I/O error: it may have had a disk")
    )


def judge_power(power: str) -> tuple[str, ...]:
    """Pure."""
    return () if power == "off" else (f"the machine that was missed is {power or 'unknown'}, and had to be off",)

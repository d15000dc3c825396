"""What only a lab of virtual machines can break: a shutdown in good order, a hang that ends, a machine that returns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from controller.model import EvidenceKind
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, VMS, Simple
from deploy.drill.lab_protocols import VirtualMachineLab
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.cluster import Place, Trouble, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload import sample_table

_MET_ERRORS = re.compile(r"I/O error|offline device|Aborting journal|shut ?down|Remounting filesystem read-only")
_AWAKE = 90.0  # seconds for the machine that hung to meet its errors, on a busy machine
_LINES = 12


def _virtual(scenario: Scenario) -> VirtualMachineLab:
    if not isinstance(scenario.lab, VirtualMachineLab):
        raise DrillError("this fault needs virtual machines: --lab vms")
    return scenario.lab


class Shutdown(Simple):
    """
    The gate's last word is that PostgreSQL has ended and the volume is unmounted. Where the machine led Swarm, that
    word went to a controller which went with it: then the next one sees that the machine is off.
    """

    name = "shutdown"
    text = "The virtual machine is shut down in good order: its engine stops PostgreSQL, then it is off."
    labs = (VMS,)
    expected = Expectation(evidence=EvidenceKind.RELEASED, or_else=EvidenceKind.POWERED_OFF, moves=True, clean=True)

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        sample_table.tell(scenario)

    def act(self, scenario: Scenario, node: str) -> None:
        _virtual(scenario).shut_down(node)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        return sample_table.objections(scenario)

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


@dataclass(slots=True)
class Hang(Simple):
    """The machine is paused, loses its disk, and goes on: what its PostgreSQL does then must not reach the disk."""

    name = "hang"
    text = "The virtual machine hangs, and goes on after its disk was given to another one."
    labs = (VMS,)
    expected = Expectation(evidence=EvidenceKind.DETACHED, moves=True)
    old: Place | None = None
    kernel: str = ""
    postgres: str = ""
    ended: str = ""

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        sample_table.tell(scenario)
        self.old = scenario.cluster.place()

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.freeze(node)

    def recovered(self, scenario: Scenario) -> None:
        if self.old is None:
            return
        known = len(_virtual(scenario).kernel_log(self.old.node))
        scenario.lab.thaw(self.old.node)
        try:
            wait_for(lambda: self._look(scenario, known), _AWAKE)
        except DrillError:
            return  # what is missing is an objection

    def _look(self, scenario: Scenario, known: int) -> str:
        """What has not been seen yet of the old PostgreSQL's end."""
        if self.old is None:
            return ""
        self.kernel = _virtual(scenario).kernel_log(self.old.node)[known:]
        container = scenario.cluster.client(self.old.node).containers.get(self.old.container)
        self.postgres = container.logs(tail=_LINES).decode(errors="replace")
        if container.status == "running":
            return "the old PostgreSQL still runs"
        self.ended = f"{container.status}, code {container.attrs['State']['ExitCode']}"
        return "" if _MET_ERRORS.search(self.kernel) else "the old machine's kernel has met no error"

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        return (*judge(self.ended, self.kernel), *sample_table.objections(scenario))

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {
            "old_postgresql_ended": self.ended,
            "old_postgresql_said": self.postgres,
            "old_kernel_said": "\n".join(self.kernel.splitlines()[-2 * _LINES :]),
        }

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)  # it runs already, unless the drill ended early


def judge(ended: str, kernel: str) -> tuple[str, ...]:
    """Pure: whether the old PostgreSQL lost its disk, as far as its machine can tell."""
    found = () if ended else ("the PostgreSQL on the machine that hung did not end",)
    errors = _MET_ERRORS.search(kernel) is not None
    return found if errors else (*found, "the kernel of the machine that hung met no I/O error: it may have had a disk")


@dataclass(slots=True)
class Return(Simple):
    """The second round of a drill: the machine that was lost in the first one is the next target."""

    name = "return"
    text = "The machine that has PostgreSQL now loses its power, and only the one that was lost before can take over."
    labs = (VMS,)
    comes_after = ("power-off",)
    expected = DEAD
    returned: str = ""
    third: tuple[str, ...] = ()

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        sample_table.tell(scenario)
        self.returned = scenario.cluster.returned
        here = scenario.cluster.place().node
        if self.returned in {"", here}:
            raise DrillError("no machine has returned that PostgreSQL could go to")
        self.third = tuple(each.name for each in scenario.lab.nodes if each.name not in {self.returned, here})
        for name in self.third:
            scenario.cluster.set_availability(name, "pause")

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_off(node)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        try:
            here = scenario.cluster.place().node
        except (*Trouble, DrillError) as error:
            return (str(error),)
        wrong = () if here == self.returned else (f"PostgreSQL is on {here}, not on {self.returned}, which returned",)
        return (*wrong, *sample_table.objections(scenario))

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {"returned": self.returned}

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)
        for name in self.third:
            scenario.cluster.set_availability(name, "active")

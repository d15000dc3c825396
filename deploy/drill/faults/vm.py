"""What only a lab of virtual machines can break: a shutdown in good order, a hang that ends, a machine that returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.model import EvidenceKind
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, VMS, Simple
from deploy.drill.faults.lingering import Lingering
from deploy.drill.lab_protocols import VirtualMachineLab
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.cluster import Trouble
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload import sample_table


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
class Hang(Lingering):
    """The machine is paused, loses its disk or its power, and goes on: what it does then must not reach the disk."""

    name = "hang"
    text = "The virtual machine hangs, and goes on after its disk was given to another one."
    labs = (VMS,)

    def act(self, scenario: Scenario, node: str) -> None:
        self.mark(scenario)
        scenario.lab.freeze(node)

    def go_on(self, scenario: Scenario, node: str) -> None:
        scenario.lab.thaw(node)

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)  # it runs already, unless it was switched off, or the drill ended early


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

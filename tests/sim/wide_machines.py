"""What a wide simulated cluster is made of: machines, calls under way, controllers."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.model import (
    Epoch,
    GateView,
    NodeId,
    Operation,
    VmId,
    VolumeName,
)
from controller.planner.actions import (
    Action,
)


@dataclass
class Machine:
    """
    One VM with its node and gate. ``serials``, ``floors`` and ``mounted`` are the gate's, of this boot: which task's
    container has a volume, and under which serial that is counted.
    """

    number: int
    on: bool = True
    boot: int = 1
    known_boot: int = 1
    stamp: int = 0
    cut: bool = False
    hidden: bool = False
    down: bool = False
    mounted: dict[VolumeName, tuple[int, int]] = field(default_factory=dict)
    torn: set[VolumeName] = field(default_factory=set)
    serials: dict[VolumeName, int] = field(default_factory=dict)
    floors: dict[VolumeName, int] = field(default_factory=dict)
    offers: dict[VolumeName, tuple[int, int]] = field(default_factory=dict)

    @property
    def vm(self) -> VmId:
        return VmId(f"vm{self.number}")

    @property
    def node(self) -> NodeId:
        return NodeId(f"n{self.number}")

    def power_off(self) -> None:
        self.on, self.cut = False, False
        for what in (self.mounted, self.torn, self.serials, self.floors, self.offers):
            what.clear()

    def unmount(self, volume: VolumeName) -> None:
        """Its container has ended, or its disk has gone: all that was granted is spent."""
        self.mounted.pop(volume, None)
        self.floors[volume] = max(self.floors.get(volume, 0), self.serials.get(volume, 0))


@dataclass
class Call:
    operation: Operation
    volume: VolumeName
    vm: VmId
    epoch: Epoch
    proven: bool
    controller: Controller | None


@dataclass
class Controller:
    epoch: Epoch
    pending: list[tuple[Action, int]] = field(default_factory=list)  # with the record's version decided on
    heard: dict[VmId, GateView] = field(default_factory=dict)

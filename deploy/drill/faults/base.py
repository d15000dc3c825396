"""What a fault of a drill is: what it does, how it is undone, and what must be true after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self

from controller.model import EvidenceKind
from deploy.drill.proxy.call_meaning import StopPoint
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.scenario import Scenario

NAMESPACES, VMS = "namespaces", "vms"


class Fault(Protocol):
    """``act`` breaks, and returns when it is broken. ``undo`` makes the node fit for the next round."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def expected(self) -> Expectation: ...
    def act(self, scenario: Scenario, node: str) -> None: ...
    def meanwhile(self, scenario: Scenario, elapsed: float) -> None: ...
    def victim(self, scenario: Scenario, node: str) -> str:
        """The node to break, when PostgreSQL runs on ``node``."""
        ...

    def prepare(self, scenario: Scenario, node: str) -> None:
        """What comes before the clock starts; PostgreSQL must not be disturbed by it."""
        ...

    def settled(self, scenario: Scenario) -> float | None:
        """Only if PostgreSQL is not disturbed: unix seconds when all was well again; None: not yet."""
        ...

    def recovered(self, scenario: Scenario) -> None:
        """Called once when commits go on again."""
        ...

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        """What was not as it must be, one sentence each."""
        ...

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        """For the report's settings."""
        ...

    def undo(self, scenario: Scenario, node: str) -> None: ...


class Simple:
    """What most faults share. A class with a name of its own is in the catalogue."""

    name: ClassVar[str]
    text: ClassVar[str]
    expected: ClassVar[Expectation]
    labs: ClassVar[tuple[str, ...]] = (NAMESPACES,)
    storage: ClassVar[str | None] = None  # the only one it goes with
    needs_proxy: ClassVar[bool] = False  # the drill must stand between the controllers and what they call
    stops_at_steps: ClassVar[bool] = False  # its name may be followed by a step: ``leader-kill:before:detach``
    comes_after: ClassVar[tuple[str, ...]] = ()  # faults of the rounds before, which are part of its story

    @classmethod
    def named(cls) -> bool:
        return "name" in vars(cls)

    @classmethod
    def stopping_at(cls, step: StopPoint) -> Self:
        """One that stops somebody there. Only of faults that ``stops_at_steps``."""
        raise NotImplementedError(f"{cls.name} cannot stop at {step}")

    def act(self, scenario: Scenario, node: str) -> None:
        raise NotImplementedError

    def meanwhile(self, scenario: Scenario, elapsed: float) -> None:
        """Called again and again between the fault and the recovery."""

    def victim(self, scenario: Scenario, node: str) -> str:  # noqa: ARG002 -- most faults hit PostgreSQL's node
        return node

    def prepare(self, scenario: Scenario, node: str) -> None:
        """Nothing to prepare."""

    def settled(self, scenario: Scenario) -> float | None:  # noqa: ARG002
        """Never asked of a fault that disturbs PostgreSQL."""
        return None

    def recovered(self, scenario: Scenario) -> None:
        """Nothing more to do."""

    def objections(self, scenario: Scenario) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {}

    def undo(self, scenario: Scenario, node: str) -> None:
        """Nothing is left to undo."""


DEAD = Expectation(evidence=EvidenceKind.POWERED_OFF, moves=True)

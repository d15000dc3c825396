"""What a drill can break. One class a fault: what it does, how it is undone, and what must be true after it."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from controller.model import EvidenceKind
from deploy.drill import story
from deploy.drill.ground import DrillError, FragileStorage, mend_network
from deploy.drill.report import Setting
from deploy.drill.scene import Scene
from deploy.drill.verdict import Expectation


class Fault(Protocol):
    """``act`` breaks, and returns when it is broken. ``undo`` makes the node fit for the next round."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def expected(self) -> Expectation: ...
    def act(self, scene: Scene, node: str) -> None: ...
    def meanwhile(self, scene: Scene, elapsed: float) -> None: ...
    def victim(self, scene: Scene, node: str) -> str:
        """The node to break, when PostgreSQL runs on ``node``."""
        ...

    def prepare(self, scene: Scene, node: str) -> None:
        """What comes before the clock starts; PostgreSQL must not be disturbed by it."""
        ...

    def settled(self, scene: Scene) -> float | None:
        """Only if PostgreSQL is not disturbed: unix seconds when all was well again; None: not yet."""
        ...

    def recovered(self, scene: Scene) -> None:
        """Called once when commits go on again."""
        ...

    def objections(self, scene: Scene) -> tuple[str, ...]:
        """What was not as it must be, one sentence each."""
        ...

    def found(self, scene: Scene) -> Mapping[str, Setting]:
        """For the report's settings."""
        ...

    def undo(self, scene: Scene, node: str) -> None: ...


class Simple:
    """What most faults share."""

    name: ClassVar[str]
    text: ClassVar[str]
    expected: ClassVar[Expectation]

    def meanwhile(self, scene: Scene, elapsed: float) -> None:
        """Called again and again between the fault and the recovery."""

    def victim(self, scene: Scene, node: str) -> str:  # noqa: ARG002 -- most faults hit PostgreSQL's node
        return node

    def prepare(self, scene: Scene, node: str) -> None:
        """Nothing to prepare."""

    def settled(self, scene: Scene) -> float | None:  # noqa: ARG002
        """Never asked of a fault that disturbs PostgreSQL."""
        return None

    def recovered(self, scene: Scene) -> None:
        """Nothing more to do."""

    def objections(self, scene: Scene) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def found(self, scene: Scene) -> Mapping[str, Setting]:  # noqa: ARG002
        return {}

    def undo(self, scene: Scene, node: str) -> None:
        """Nothing is left to undo."""


DEAD = Expectation(evidence=EvidenceKind.POWERED_OFF, moves=True)


class PowerOff(Simple):
    name = "power-off"
    text = "The machine under the node loses its power."
    expected = DEAD

    def prepare(self, scene: Scene, node: str) -> None:  # noqa: ARG002
        story.tell(scene)

    def act(self, scene: Scene, node: str) -> None:
        scene.ground.power_off(node)

    def objections(self, scene: Scene) -> tuple[str, ...]:
        return story.objections(scene)

    def undo(self, scene: Scene, node: str) -> None:
        scene.ground.power_on(node)


class Freeze(Simple):
    """The node's VM hangs: it may go on at any moment, so only a power-off makes evidence."""

    name = "freeze"
    text = "The machine under the node hangs, with its disk and its PostgreSQL."
    expected = DEAD

    def act(self, scene: Scene, node: str) -> None:
        scene.ground.freeze(node)

    def undo(self, scene: Scene, node: str) -> None:
        scene.ground.power_on(node)


class Cut(Simple):
    """The node's PostgreSQL goes on writing where nobody reaches it, until the machine is fenced."""

    name = "cut"
    text = "The node's network is cut; the machine and its PostgreSQL run on."
    expected = DEAD

    def act(self, scene: Scene, node: str) -> None:
        scene.ground.cut(node)

    def undo(self, scene: Scene, node: str) -> None:
        mend_network(scene.ground, node)


class Drain(Simple):
    name = "drain"
    text = "The node is drained: a planned move."
    expected = Expectation(evidence=EvidenceKind.RELEASED, moves=True, clean=True)

    def act(self, scene: Scene, node: str) -> None:
        scene.cluster.set_availability(node, "drain")

    def undo(self, scene: Scene, node: str) -> None:
        scene.cluster.set_availability(node, "active")


class Restart(Simple):
    name = "restart"
    text = "The container is killed; its replacement is held on the same node."
    expected = Expectation(stays=True)

    def act(self, scene: Scene, node: str) -> None:
        scene.hold_others(node)  # or Swarm may choose another node, which would be a move
        scene.kill_database()

    def undo(self, scene: Scene, node: str) -> None:
        scene.free_others(node)


class DockerdRestart(Simple):
    name = "dockerd-restart"
    text = "The Docker engine of the node is restarted."
    expected = Expectation()

    def act(self, scene: Scene, node: str) -> None:
        scene.restart_engine(node)


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

    def act(self, scene: Scene, node: str) -> None:
        self._began = time.monotonic()
        scene.ground.power_off(node)

    def meanwhile(self, scene: Scene, elapsed: float) -> None:
        if self.killed_at is None and elapsed >= self.moment:
            self._kill(scene)

    def recovered(self, scene: Scene) -> None:
        if self.killed_at is None:
            self._kill(scene)

    def _kill(self, scene: Scene) -> None:
        self.killed_at = round(time.monotonic() - self._began, 1)
        scene.kill_controllers()

    def undo(self, scene: Scene, node: str) -> None:
        scene.ground.power_on(node)


@dataclass(slots=True)
class StorageAway(Simple):
    """Nothing can be read meanwhile, so nothing may be moved; then everything goes on by itself."""

    name = "storage-away"
    text = "The machine loses its power while the storage system does not answer; it answers again 30 s later."
    expected = DEAD
    away: float = 30.0  # longer than Swarm takes to see the node down
    done: bool = False

    def act(self, scene: Scene, node: str) -> None:
        if not isinstance(scene.ground, FragileStorage):
            raise DrillError("--fault storage-away needs a storage that can go away: --storage vsphere")
        scene.ground.storage_away()
        scene.ground.power_off(node)

    def meanwhile(self, scene: Scene, elapsed: float) -> None:
        if not self.done and elapsed >= self.away and isinstance(scene.ground, FragileStorage):
            self.done = True
            scene.ground.storage_back()

    def undo(self, scene: Scene, node: str) -> None:
        scene.ground.power_on(node)


class StackRemove(Simple):
    name = "stack-rm"
    text = "The stack is removed and deployed again."
    expected = Expectation()

    def act(self, scene: Scene, node: str) -> None:  # noqa: ARG002 -- every node loses the stack
        scene.remove_database()
        scene.deploy_database()

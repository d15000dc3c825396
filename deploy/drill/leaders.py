"""Faults of those who act: the acting controller stopped at a step of a failover, and Swarm's leader itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deploy.drill.calls import SPOTS, Spot, Step, When
from deploy.drill.cluster import wait_for
from deploy.drill.faults import DEAD, Fault, Freeze, PowerOff, Simple
from deploy.drill.ground import DrillError
from deploy.drill.report import Setting
from deploy.drill.scene import Scene
from deploy.drill.trap import Act, Call, Sprung, Trap
from deploy.drill.verdict import Expectation

ATTEMPTS = 5.0  # seconds that one who was frozen gets to try what it had in mind, once it has called again
SETTLE = 90.0  # for the controller on Swarm's leader to act: one that has just started leaves a living one alone
RETURN = 60.0  # seconds for it to call again
LATE_ATTACH = Spot(When.BEFORE, Step.ATTACH)


def _any_spot() -> Spot:
    return random.choice([each for each in SPOTS if each.step is not Step.FENCE])  # noqa: S311 -- no secret


@dataclass(slots=True)
class LeaderKill(Simple):
    """SIGKILL at one step, once. Before the fence there must be something to fence: then the machine hangs."""

    name = "leader-kill"
    text = "The machine loses its power or hangs, and the acting controller is killed at one step of the failover."
    expected = DEAD
    spot: Spot = field(default_factory=_any_spot)

    def act(self, scene: Scene, node: str) -> None:
        scene.need_trap().arm(self.spot, Act.KILL)
        _machine_fault(self.spot).act(scene, node)

    def objections(self, scene: Scene) -> tuple[str, ...]:
        trap = scene.need_trap()
        trap.disarm()
        sprung = trap.sprung
        if sprung is None:
            return (f"no controller came to the step {self.spot}, so none was killed there",)
        if change(trap.calls, sprung) is None:
            return (f"nobody took a new epoch after the controller on {sprung.node} was killed",)
        return ()

    def found(self, scene: Scene) -> Mapping[str, Setting]:
        return {"stopped_at": str(self.spot), **_cost(scene.need_trap())}

    def undo(self, scene: Scene, node: str) -> None:
        _machine_fault(self.spot).undo(scene, node)


@dataclass(slots=True)
class LeaderFreeze(Simple):
    """
    SIGSTOP past the election, and SIGCONT once another controller has finished the failover.

    With a spot, it freezes there with the call under way: that call arrives late, from one who was deposed meanwhile.
    """

    name = "leader-freeze"
    text = "The acting controller hangs, another takes over, and then the first one goes on where it was."
    expected = DEAD
    spot: Spot | None = LATE_ATTACH

    def act(self, scene: Scene, node: str) -> None:
        trap = scene.need_trap()
        if self.spot is None:
            trap.freeze_acting()
        else:
            trap.arm(self.spot, Act.FREEZE)
        PowerOff().act(scene, node)

    def recovered(self, scene: Scene) -> None:
        """Lets it go on, and gives it time to try what it had in mind."""
        trap = scene.need_trap()
        trap.disarm()
        sprung = trap.sprung
        if sprung is None:
            return
        calls = len(trap.calls)
        trap.release()
        if self.spot is not None:
            wait_for(lambda: "" if trap.calls[calls:] else f"the held call of {sprung.node} has not arrived", RETURN)
        time.sleep(ATTEMPTS)

    def objections(self, scene: Scene) -> tuple[str, ...]:
        trap = scene.need_trap()
        sprung = trap.sprung
        if sprung is None:
            return (f"no controller came to the step {self.spot}, so none was frozen there",)
        if self.spot is not None and not late_calls(trap.calls, sprung):
            return (f"the call that the controller on {sprung.node} had under way was never seen again",)
        return tuple(broken_words(trap.calls, sprung))

    def found(self, scene: Scene) -> Mapping[str, Setting]:
        trap = scene.need_trap()
        late = late_calls(trap.calls, trap.sprung) if trap.sprung is not None else ()
        return {
            "stopped_at": str(self.spot) if self.spot is not None else "the fault",
            "late_calls": len(late),
            "late_answer": late[0].answer if late else None,
            **_cost(trap),
        }

    def undo(self, scene: Scene, node: str) -> None:
        scene.need_trap().release()
        PowerOff().undo(scene, node)


@dataclass(slots=True)
class LeaderLost(Simple):
    """Swarm's leader dies, and PostgreSQL runs elsewhere: nobody may touch it."""

    name = "leader-lost"
    text = "Swarm's leader loses its power. PostgreSQL runs on another node."
    expected = Expectation(stays=True, undisturbed=True)
    at: float = 0.0
    epoch: int = 0

    def victim(self, scene: Scene, node: str) -> str:
        leader = scene.cluster.leader()
        if leader == node:
            raise DrillError(f"PostgreSQL runs on Swarm's leader {node}: choose --target follower")
        trap = scene.need_trap()
        wait_for(lambda: "" if acting(trap.calls) == leader else f"the controller on {leader} does not act", SETTLE)
        return leader

    def act(self, scene: Scene, node: str) -> None:
        self.at, self.epoch = time.time(), scene.need_trap().epoch()
        scene.ground.power_off(node)

    def settled(self, scene: Scene) -> float | None:
        taken = first_lead(scene.need_trap().calls, self.at, self.epoch)
        return None if taken is None else taken.at

    def found(self, scene: Scene) -> Mapping[str, Setting]:
        taken = self.settled(scene)
        return {"leader_change_seconds": None if taken is None else round(taken - self.at, 2)}

    def undo(self, scene: Scene, node: str) -> None:
        scene.ground.power_on(node)


def acting(calls: tuple[Call, ...]) -> str:
    """The node whose controller gave the last sign of life; nothing before the first."""
    return next((call.node for call in reversed(calls) if call.step is Step.LEAD and call.done), "")


def first_lead(calls: tuple[Call, ...], since: float, epoch: int) -> Call | None:
    """The first time that somebody took a newer epoch than ``epoch``."""
    taken = (call for call in calls if call.step is Step.LEAD and call.done)
    return next((call for call in taken if call.at >= since and call.epoch > epoch), None)


def change(calls: tuple[Call, ...], sprung: Sprung) -> float | None:
    """Seconds from the stop of one who acted until another took the next epoch."""
    taken = first_lead(calls, sprung.at, sprung.epoch)
    return None if taken is None else taken.at - sprung.at


def late_calls(calls: tuple[Call, ...], sprung: Sprung) -> tuple[Call, ...]:
    """What the one who was frozen tried afterwards under the epoch that it had."""
    if sprung.released is None:
        return ()
    return tuple(
        call for call in calls if call.node == sprung.node and call.at >= sprung.released and call.epoch <= sprung.epoch
    )


def broken_words(calls: tuple[Call, ...], sprung: Sprung) -> Iterator[str]:
    """A late call that was obeyed, one sentence each."""
    if change(calls, sprung) is None:
        yield f"nobody took a new epoch while the controller on {sprung.node} was frozen"
    for call in late_calls(calls, sprung):
        if call.done:
            yield f"a late {call.step.value} from {sprung.node} was obeyed under the old epoch {call.epoch}"


def _machine_fault(spot: Spot) -> Fault:
    return Freeze() if spot.step is Step.FENCE else PowerOff()


def _cost(trap: Trap) -> Mapping[str, Setting]:
    sprung = trap.sprung
    seconds = None if sprung is None else change(trap.calls, sprung)
    return {"leader_change_seconds": None if seconds is None else round(seconds, 2)}

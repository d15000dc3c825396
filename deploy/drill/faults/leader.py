"""Faults of those who act: the acting controller stopped at a step of a failover, and Swarm's leader itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, Fault, Simple
from deploy.drill.faults.node import Freeze, PowerOff
from deploy.drill.proxy.call_meaning import STOP_POINTS, Step, StopPoint, When
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.proxy.values import Act, Call, Stopped
from deploy.drill.report.data import Setting
from deploy.drill.report.verdict import Expectation
from deploy.drill.swarm.cluster import wait_for
from deploy.drill.swarm.scenario import Scenario

ATTEMPTS = 5.0  # seconds that one who was frozen gets to try what it had in mind, once it has called again
SETTLE = 90.0  # for the controller on Swarm's leader to act: one that has just started leaves a living one alone
RETURN = 60.0  # seconds for it to call again
LATE_ATTACH = StopPoint(When.BEFORE, Step.ATTACH)


def _any_stop_point() -> StopPoint:
    return random.choice([each for each in STOP_POINTS if each.step is not Step.FENCE])  # noqa: S311 -- no secret


@dataclass(slots=True)
class LeaderKill(Simple):
    """SIGKILL at one step, once. Before the fence there must be something to fence: then the machine hangs."""

    name = "leader-kill"
    text = "The machine loses its power or hangs, and the acting controller is killed at one step of the failover."
    needs_proxy = True
    stops_at_steps = True
    expected = DEAD
    stop_point: StopPoint = field(default_factory=_any_stop_point)

    @classmethod
    def stopping_at(cls, step: StopPoint) -> Self:
        return cls(stop_point=step)

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.need_proxy().arm(self.stop_point, Act.KILL)
        _machine_fault(self.stop_point).act(scenario, node)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        proxy = scenario.need_proxy()
        proxy.disarm()
        stopped = proxy.stopped
        if stopped is None:
            return (f"no controller came to the step {self.stop_point}, so none was killed there",)
        if change(proxy.calls, stopped) is None:
            return (f"nobody took a new epoch after the controller on {stopped.node} was killed",)
        return ()

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        return {"stopped_at": str(self.stop_point), **_cost(scenario.need_proxy())}

    def undo(self, scenario: Scenario, node: str) -> None:
        _machine_fault(self.stop_point).undo(scenario, node)


@dataclass(slots=True)
class LeaderFreeze(Simple):
    """
    SIGSTOP past the election, and SIGCONT once another controller has finished the failover.

    With a stop point, it freezes there with the call under way: that call arrives late, from one deposed meanwhile.
    """

    name = "leader-freeze"
    text = "The acting controller hangs, another takes over, and then the first one goes on where it was."
    needs_proxy = True
    stops_at_steps = True
    expected = DEAD
    stop_point: StopPoint | None = LATE_ATTACH

    @classmethod
    def stopping_at(cls, step: StopPoint) -> Self:
        return cls(stop_point=step)

    def act(self, scenario: Scenario, node: str) -> None:
        proxy = scenario.need_proxy()
        if self.stop_point is None:
            proxy.freeze_acting()
        else:
            proxy.arm(self.stop_point, Act.FREEZE)
        PowerOff().act(scenario, node)

    def recovered(self, scenario: Scenario) -> None:
        """Lets it go on, and gives it time to try what it had in mind."""
        proxy = scenario.need_proxy()
        proxy.disarm()
        stopped = proxy.stopped
        if stopped is None:
            return
        calls = len(proxy.calls)
        proxy.release()
        if self.stop_point is not None:
            wait_for(lambda: "" if proxy.calls[calls:] else f"the held call of {stopped.node} has not arrived", RETURN)
        time.sleep(ATTEMPTS)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:
        proxy = scenario.need_proxy()
        stopped = proxy.stopped
        if stopped is None:
            return (f"no controller came to the step {self.stop_point}, so none was frozen there",)
        if self.stop_point is not None and not late_calls(proxy.calls, stopped):
            return (f"the call that the controller on {stopped.node} had under way was never seen again",)
        return tuple(broken_words(proxy.calls, stopped))

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        proxy = scenario.need_proxy()
        late = late_calls(proxy.calls, proxy.stopped) if proxy.stopped is not None else ()
        return {
            "stopped_at": str(self.stop_point) if self.stop_point is not None else "the fault",
            "late_calls": len(late),
            "late_answer": late[0].answer if late else None,
            **_cost(proxy),
        }

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.need_proxy().release()
        PowerOff().undo(scenario, node)


@dataclass(slots=True)
class LeaderLost(Simple):
    """Swarm's leader dies, and PostgreSQL runs elsewhere: nobody may touch it."""

    name = "leader-lost"
    text = "Swarm's leader loses its power. PostgreSQL runs on another node."
    needs_proxy = True
    expected = Expectation(stays=True, undisturbed=True)
    at: float = 0.0
    epoch: int = 0

    def victim(self, scenario: Scenario, node: str) -> str:
        leader = scenario.cluster.leader()
        if leader == node:
            raise DrillError(f"PostgreSQL runs on Swarm's leader {node}: choose --target follower")
        proxy = scenario.need_proxy()
        wait_for(lambda: "" if acting(proxy.calls) == leader else f"the controller on {leader} does not act", SETTLE)
        return leader

    def act(self, scenario: Scenario, node: str) -> None:
        self.at, self.epoch = time.time(), scenario.need_proxy().epoch()
        scenario.lab.power_off(node)

    def settled(self, scenario: Scenario) -> float | None:
        taken = first_lead(scenario.need_proxy().calls, self.at, self.epoch)
        return None if taken is None else taken.at

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        taken = self.settled(scenario)
        return {"leader_change_seconds": None if taken is None else round(taken - self.at, 2)}

    def undo(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_on(node)


def acting(calls: tuple[Call, ...]) -> str:
    """The node whose controller gave the last sign of life; nothing before the first."""
    return next((call.node for call in reversed(calls) if call.step is Step.LEAD and call.done), "")


def first_lead(calls: tuple[Call, ...], since: float, epoch: int) -> Call | None:
    """The first time that somebody took a newer epoch than ``epoch``."""
    taken = (call for call in calls if call.step is Step.LEAD and call.done)
    return next((call for call in taken if call.at >= since and call.epoch > epoch), None)


def change(calls: tuple[Call, ...], stopped: Stopped) -> float | None:
    """Seconds from the stop of one who acted until another took the next epoch."""
    taken = first_lead(calls, stopped.at, stopped.epoch)
    return None if taken is None else taken.at - stopped.at


def late_calls(calls: tuple[Call, ...], stopped: Stopped) -> tuple[Call, ...]:
    """What the one who was frozen tried afterwards under the epoch that it had."""
    if stopped.released is None:
        return ()
    return tuple(
        call
        for call in calls
        if call.node == stopped.node and call.at >= stopped.released and call.epoch <= stopped.epoch
    )


def broken_words(calls: tuple[Call, ...], stopped: Stopped) -> Iterator[str]:
    """A late call that was obeyed, one sentence each."""
    if change(calls, stopped) is None:
        yield f"nobody took a new epoch while the controller on {stopped.node} was frozen"
    for call in late_calls(calls, stopped):
        if call.done:
            yield f"a late {call.step.value} from {stopped.node} was obeyed under the old epoch {call.epoch}"


def _machine_fault(stop_point: StopPoint) -> Fault:
    return Freeze() if stop_point.step is Step.FENCE else PowerOff()


def _cost(proxy: FaultProxy) -> Mapping[str, Setting]:
    stopped = proxy.stopped
    seconds = None if stopped is None else change(proxy.calls, stopped)
    return {"leader_change_seconds": None if seconds is None else round(seconds, 2)}

"""What can be broken with nothing but Docker's API and a switch."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.drill.chaos.faults import services
from deploy.drill.chaos.faults.base import Breaker, ChaosFault
from deploy.drill.chaos.schedule import Kind

# Of the lab's: they touch our own services, or the availability of a node. Not those that touch Reberth's services.
_OURS = ("update", "update-often", "scale-to-zero", "rollback", "remove", "task-kill")


def _off(breaker: Breaker, node: str) -> None:
    breaker.scenario.lab.power_off(node)


def _on(breaker: Breaker, node: str) -> None:
    """Only what this run has switched off: the command may mind a machine that runs."""
    if breaker.scenario.lab.power(node) == "off":
        breaker.scenario.lab.power_on(node)


def _pause(breaker: Breaker, node: str) -> None:
    breaker.scenario.cluster.set_availability(node, "pause")


_SWITCHED = (
    ChaosFault(Kind("power-off", 3), "The machine loses its power.", _off, _on),
    ChaosFault(Kind("power-cycle", 2, lasts=False), "The machine is switched off and on.", _off, _on),
)
_LAB = {fault.kind.name: fault for fault in services.FAULTS}
_ALWAYS = (
    _LAB["drain"],
    ChaosFault(Kind("pause"), "The node takes no new task.", _pause, _LAB["drain"].cure),
    *(_LAB[name] for name in _OURS),
)


def faults(*, switched: bool) -> Mapping[str, ChaosFault]:
    """``switched``: whether somebody said how a node is switched off and on."""
    return {fault.kind.name: fault for fault in (*(_SWITCHED if switched else ()), *_ALWAYS)}

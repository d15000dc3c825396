"""What is switched on one machine, by whichever fault: its power, and its network."""

from __future__ import annotations

from deploy.drill.chaos.faults.base import Breaker
from deploy.drill.lab_protocols import mend_network


def power_off(breaker: Breaker, node: str) -> None:
    breaker.lab.power_off(node)


def power_on(breaker: Breaker, node: str) -> None:
    if breaker.lab.power(node) == "frozen":
        breaker.lab.thaw(node)
    breaker.lab.power_on(node)


def freeze(breaker: Breaker, node: str) -> None:
    breaker.lab.freeze(node)


def cut(breaker: Breaker, node: str) -> None:
    breaker.lab.cut(node)


def heal(breaker: Breaker, node: str) -> None:
    mend_network(breaker.lab, node)

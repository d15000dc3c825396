"""What a fault of chaos is, and what it gets its hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.drill.chaos.schedule import Kind
from deploy.drill.chaos.writers import Writer
from deploy.drill.errors import DrillError
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.kernel import processes
from deploy.lab.lab import Lab
from deploy.lab.names import Layout

Act = Callable[["Breaker", str], None]


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    ``turn``: another one gives a node another writer. ``notes``: what an act chose and its cure has to know, by fault
    and node. ``wrong``: what a fault itself has seen that must not be: the episode has failed.
    """

    scenario: Scenario
    writers: tuple[Writer, ...]
    turn: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def lab(self) -> Lab:
        return of_namespaces(self.scenario)

    def programs(self, node: str, *words: bytes) -> list[int]:
        """Processes in a node whose command line has all these words; a container's are among them."""
        init = processes.node_init(self.lab.spec.name, node)
        if init is None:
            return []
        return [pid for pid in processes.members(init) if all(word in _command(pid) for word in words)]

    def writer(self, node: str) -> Writer:
        """One of them, always the same for a node: so a cure finds it again."""
        names = [each.name for each in self.scenario.lab.nodes]
        return self.writers[(names.index(node) + 1 + self.turn) % len(self.writers)]

    def service(self, node: str) -> str:
        return self.writer(node).service

    def others(self, node: str) -> list[str]:
        return [each.name for each in self.lab.nodes if each.name != node]

    @property
    def layout(self) -> Layout:
        return Layout(self.lab.spec.name)


def of_namespaces(scenario: Scenario) -> Lab:
    """Raises DrillError for a swarm that is seen from outside, or on virtual machines."""
    if not isinstance(scenario.lab, Lab):
        raise DrillError("this needs a lab of namespaces")
    return scenario.lab


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class ChaosFault:
    kind: Kind
    text: str
    act: Act
    cure: Act


def nothing(_breaker: Breaker, _node: str) -> None:
    pass


def on_all(act: Act) -> Act:
    def on_each(breaker: Breaker, _node: str) -> None:
        for each in breaker.lab.nodes:
            act(breaker, each.name)

    return on_each


def on_two(act: Act) -> Act:
    """The node and the next one."""

    def on_both(breaker: Breaker, node: str) -> None:
        for name in (node, following(breaker, node)):
            act(breaker, name)

    return on_both


def following(breaker: Breaker, node: str) -> str:
    names = [each.name for each in breaker.lab.nodes]
    return names[(names.index(node) + 1) % len(names)]


def if_on(act: Act) -> Act:
    """A machine that another fault switched off has nothing left to break."""

    def act_if_on(breaker: Breaker, node: str) -> None:
        if breaker.lab.power(node) == "on":
            act(breaker, node)

    return act_if_on


def harmless(act: Act, breaker: Breaker, node: str) -> str:
    """Do it; what Docker or the lab cannot do at this moment is said, and no reason to stop: other faults overlap."""
    try:
        act(breaker, node)
    except Exception as error:  # noqa: BLE001 -- docker-py and requests have many; the audit decides what is wrong
        return f"{type(error).__name__}: {error}"
    return ""

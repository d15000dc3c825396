"""
A node that Swarm goes on calling down although its machine is on, helped as `reberth status` says.

Seen once in hundreds of power cuts, with no word in the engine's log; others met it, too (moby issue 34827; 32441 has
the goroutines of one). What it waited for is told as a warning at the end of the tests, where it is read although they
pass.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Cluster, Trouble
from deploy.lab.lab import Lab
from tests.drills.evidence import engine

EVERY = 10.0  # seconds between two looks of a person who waits
ADVICE = "restart Docker there"
# As `systemctl restart docker`: it is killed if it does not end. PID 1 of the lab's machine starts it again.
RESTART = """
first=$(pgrep -xo dockerd)
kill "$first"
for _ in $(seq 60); do kill -0 "$first" 2>/dev/null || exit 0; sleep 0.5; done
kill -KILL "$first"
"""


class Line(msgspec.Struct, frozen=True):
    node: str
    concerns: tuple[str, ...] = ()


class Told(msgspec.Struct, frozen=True):
    nodes: tuple[Line, ...] = ()


@dataclass(slots=True)
class StuckNodes:
    cluster: Cluster
    lab: Lab
    _looked: float = 0.0
    _helped: set[str] = field(default_factory=set)

    def all_ready(self) -> str:
        """As the cluster's; meanwhile each node is helped once, if that is advised."""
        complaint = self.cluster.all_ready()
        if complaint and time.monotonic() > self._looked + EVERY:
            self._looked = time.monotonic()
            for line in self._advised():
                self._help(line.node)
        return complaint

    def _advised(self) -> Iterable[Line]:
        try:
            told = msgspec.json.decode(self.cluster.ask_controller("status", "--json"), type=Told)
        except (DrillError, msgspec.DecodeError, *Trouble):
            return ()
        return [line for line in told.nodes if any(ADVICE in each for each in line.concerns)]

    def _help(self, node: str) -> None:
        if node not in self._helped:
            self._helped.add(node)
            warnings.warn(f"Docker was restarted on {node}: {' / '.join(engine(self.lab, node))}", stacklevel=2)
            self.lab.exec(node, ["sh", "-c", RESTART])

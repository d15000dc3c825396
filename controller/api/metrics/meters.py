"""What is counted while the controller runs. One registry for each controller, so that tests may have several."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from controller.model import Moment
from controller.names import own_version
from controller.records.moves import PHASES, Move

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_MOVES = (0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 1800.0)


class Meters:
    """Counters begin at 0 with each process, as Prometheus expects."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        info = Gauge("reberth_build_info", "Always 1; the version is in the label", ("version",), registry=registry)
        info.labels(own_version()).set(1)
        self.looks = Histogram(
            "reberth_look_seconds", "Time of one look at everything", buckets=_SECONDS, registry=registry
        )
        self.operations = Counter(
            "reberth_operations", "Operations by action and how they ended", ("action", "end"), registry=registry
        )
        self.seconds = Histogram(
            "reberth_operation_seconds", "Time of one operation", ("action",), buckets=_SECONDS, registry=registry
        )
        self.failovers = Counter(
            "reberth_failovers",
            "Moves of a volume to another node that ended in a mount, by the evidence about the old one",
            ("evidence", "planned"),
            registry=registry,
        )
        self.phases = Histogram(
            "reberth_failover_phase_seconds",
            "Seconds from a failover's first word to each of its phases; planned moves are not in it",
            ("phase",),
            buckets=_MOVES,
            registry=registry,
        )
        self.labels = Counter(
            "reberth_node_labels", "Nodes told to Swarm as dead, and as living again", ("change",), registry=registry
        )
        self.suspicions = Counter(
            "reberth_suspicions",
            "Nodes that our own detector missed, and those of them that spoke again in the same boot",
            ("what",),
            registry=registry,
        )
        for what in ("begun", "false"):
            self.suspicions.labels(what)
        for phase in PHASES[1:]:
            self.phases.labels(phase.value)

    def looked(self, seconds: float) -> None:
        self.looks.observe(seconds)

    def operated(self, action: str, end: str, seconds: float) -> None:
        self.operations.labels(action, end).inc()
        self.seconds.labels(action).observe(seconds)

    def labelled(self, *, put: bool) -> None:
        """Swarm was told that a node is dead, or that it lives again."""
        self.labels.labels("put" if put else "removed").inc()

    def suspected(self, *, ended: bool) -> None:
        """A node fell silent, or one that had is heard again."""
        self.suspicions.labels("false" if ended else "begun").inc()

    def moved(self, move: Move) -> None:
        """One finished move of one volume."""
        evidence = "none" if move.evidence is None else move.evidence.value
        self.failovers.labels(evidence, "yes" if move.planned else "no").inc()
        if not move.planned:
            for moment, seconds in move.seconds.items():
                if moment is not Moment.FENCED:
                    self.phases.labels(moment.value).observe(seconds)

"""A lab made ready for drills: both stacks run, PostgreSQL answers; and ready again after each round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from deploy.drill.errors import DrillError, Say
from deploy.drill.faults.base import Fault
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.progress import Progress
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.report.data import Report
from deploy.drill.round import Round
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm import logs
from deploy.drill.swarm.cluster import Cluster, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.stacks import Stacks
from deploy.drill.workload.client import CommitClient, Target
from deploy.drill.workload.connections import first_open

START_SECONDS = 180.0  # for both stacks to run on a slow machine


class LabProvider(Protocol):
    """Where labs come from: the one thing of a drill that differs between kinds of labs."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its labs and images raise with a sentence for a person; anything else is a bug."""
        ...

    @property
    def proxy(self) -> FaultProxy | None:
        """Between the controllers and what they call, if the settings asked for it; there once `stacks` was called."""
        ...

    def packages(self, say: Say) -> None: ...
    def up(self, settings: DrillSettings, say: Say) -> SwarmLab: ...
    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks: ...
    def logs(self, settings: DrillSettings) -> Path | None: ...
    def engine_logs(self, settings: DrillSettings) -> Mapping[str, Path]: ...
    def down(self, settings: DrillSettings) -> None: ...


@runtime_checkable
class SnapshotProvider(Protocol):
    """A provider that keeps a lab that stands ready, for the next drill of the same inputs."""

    @property
    def restored(self) -> bool:
        """Whether the lab that is up has both stacks already."""
        ...

    @property
    def start_seconds(self) -> float:
        """For both stacks to run: emulated machines are slow."""
        ...

    def keep(self, scenario: Scenario, say: Say) -> None: ...


def unanswered(cluster: Cluster, target: Target) -> str:
    """A complaint while PostgreSQL cannot be asked."""
    try:
        cluster.place()
        first_open(target.addresses, target.port, 1.0)
    except (DrillError, OSError) as error:
        return f"PostgreSQL does not answer: {error}"
    return ""


class Testbed:
    __test__: ClassVar[bool] = False  # pytest takes classes whose name begins so for tests

    def __init__(
        self, provider: LabProvider, settings: DrillSettings, progress: Progress, start_seconds: float = START_SECONDS
    ) -> None:
        self.provider = provider
        self.settings = settings
        self.progress = progress
        self._scenario: Scenario | None = None
        self._clients: list[CommitClient] = []
        self._patience = provider.start_seconds if isinstance(provider, SnapshotProvider) else start_seconds
        self._broken = ""  # the node that the last round broke

    @property
    def scenario(self) -> Scenario:
        if self._scenario is None:
            raise DrillError("the lab is not up")
        return self._scenario

    def prepare(self) -> None:
        """From nothing to a PostgreSQL that answers. Raises DrillError and what labs and Docker raise."""
        provider, settings = self.provider, self.settings
        with self.progress.phase("packages") as line:
            provider.packages(line.say)
        with self.progress.phase("lab up") as line:
            lab = provider.up(settings, line.say)
        cluster = Cluster(lab)
        with self.progress.phase("images") as line:
            stacks = provider.stacks(lab, cluster, settings, line.say)
        self._scenario = Scenario(lab, cluster, stacks, provider.engine_logs(settings), provider.proxy)
        if isinstance(provider, SnapshotProvider) and provider.restored:
            self._ready("all as it was saved")
        else:
            self._deploy(stacks)
            if isinstance(provider, SnapshotProvider):
                with self.progress.phase("the lab saved") as line:
                    provider.keep(self.scenario, line.say)
                self._ready("all ready")
        self._choose()

    def _deploy(self, stacks: Stacks) -> None:
        with self.progress.phase("Reberth deployed"):
            stacks.deploy_system()
            self.scenario.ready(self._patience)
        with self.progress.phase("PostgreSQL deployed"):
            stacks.deploy_database()
            wait_for(self.answers, self._patience)

    def _ready(self, phase: str) -> None:
        with self.progress.phase(phase):
            self.scenario.ready(self._patience)
            wait_for(self.answers, self._patience)

    def round(self, fault: Fault) -> Report:
        turn = Round(self.scenario, fault, self.settings, self.progress, self._clients)
        try:
            return turn.run(self.target())
        finally:
            self._broken = turn.node

    def again(self, fault: Fault) -> None:
        """The broken node takes part again, and everything is as before the round."""
        with self.progress.phase(f"{self._broken} takes part again"):
            if self._broken:
                fault.undo(self.scenario, self._broken)
            self.scenario.cluster.returned = self._broken
            self.scenario.cluster.avoid = self._broken = ""
            self.scenario.ready(self._patience)
            wait_for(self.answers, self._patience)
        self._choose()

    def collect(self, folder: Path) -> None:
        """The lab's logs, whatever state it is in."""
        lab_logs = self.provider.logs(self.settings)
        if self._scenario is not None:
            logs.collect(self._scenario.lab, self._scenario.cluster, folder, lab_logs)
        elif lab_logs is not None:
            logs.copy(lab_logs, folder)

    def close(self) -> None:
        if self._scenario is not None:
            self._scenario.cluster.close()

    def target(self) -> Target:
        return Target(tuple(machine.address for machine in self.scenario.lab.nodes), self.scenario.stacks.password)

    def answers(self) -> str:
        return unanswered(self.scenario.cluster, self.target())

    def _choose(self) -> None:
        if self.settings.target != "any":
            self.place(self.settings.target)

    def place(self, target: str) -> None:
        """Moves PostgreSQL by a planned move, unless it is on Swarm's leader, or on a node that is not it, already."""
        cluster = self.scenario.cluster
        with self.progress.phase(f"PostgreSQL on a {target}"):
            wait_for(self.answers, self._patience)
            leader = cluster.leader()
            names = {machine.name for machine in self.scenario.lab.nodes}
            wanted = {leader} if target == "leader" else names - {leader}
            if self._runs_on(wanted):
                self._move(wanted, names - wanted)

    def _move(self, wanted: set[str], others: set[str]) -> None:
        """Others take nothing new for a while; what runs there, the controllers above all, is not disturbed."""
        for name in others:
            self.scenario.cluster.set_availability(name, "pause")
        self.scenario.stacks.restart_database(self.scenario.cluster.database_service())
        wait_for(lambda: self._runs_on(wanted), self._patience)
        for name in others:
            self.scenario.cluster.set_availability(name, "active")
        self.scenario.ready()

    def _runs_on(self, wanted: set[str]) -> str:
        complaint = self.answers()
        node = "" if complaint else self.scenario.cluster.place().node
        return complaint or ("" if node in wanted else f"PostgreSQL still runs on {node}")

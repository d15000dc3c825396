"""A lab made ready for drills: both stacks run, PostgreSQL answers; and ready again after each round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from deploy.drill import logs
from deploy.drill.cluster import Cluster, wait_for
from deploy.drill.faults import Fault
from deploy.drill.ground import DrillError, DrillSettings, Ground, Say
from deploy.drill.ledger import LedgerClient, Target
from deploy.drill.net import first_open
from deploy.drill.progress import Progress
from deploy.drill.report import Report
from deploy.drill.round import Round
from deploy.drill.scene import Scene
from deploy.drill.stacks import Stacks
from deploy.drill.trap import Trap

START_SECONDS = 180.0  # for both stacks to run on a slow machine


class Site(Protocol):
    """Where labs come from: the one thing of a drill that differs between kinds of labs."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its labs and images raise with a sentence for a person; anything else is a bug."""
        ...

    @property
    def trap(self) -> Trap | None:
        """Between the controllers and what they call, if the settings asked for it; there once `stacks` was called."""
        ...

    def packages(self, say: Say) -> None: ...
    def up(self, settings: DrillSettings, say: Say) -> Ground: ...
    def stacks(self, ground: Ground, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks: ...
    def logs(self, settings: DrillSettings) -> Path | None: ...
    def engine_logs(self, settings: DrillSettings) -> Mapping[str, Path]: ...
    def down(self, settings: DrillSettings) -> None: ...


@runtime_checkable
class KeptSite(Protocol):
    """A site that keeps a lab that stands ready, for the next drill of the same inputs."""

    @property
    def restored(self) -> bool:
        """Whether the lab that is up has both stacks already."""
        ...

    @property
    def start_seconds(self) -> float:
        """For both stacks to run: emulated machines are slow."""
        ...

    def keep(self, scene: Scene, say: Say) -> None: ...


class Stage:
    def __init__(self, site: Site, settings: DrillSettings, progress: Progress) -> None:
        self.site = site
        self.settings = settings
        self.progress = progress
        self._scene: Scene | None = None
        self._clients: list[LedgerClient] = []
        self._patience = site.start_seconds if isinstance(site, KeptSite) else START_SECONDS
        self._broken = ""  # the node that the last round broke

    @property
    def scene(self) -> Scene:
        if self._scene is None:
            raise DrillError("the lab is not up")
        return self._scene

    def prepare(self) -> None:
        """From nothing to a PostgreSQL that answers. Raises DrillError and what labs and Docker raise."""
        site, settings = self.site, self.settings
        with self.progress.phase("packages") as line:
            site.packages(line.say)
        with self.progress.phase("lab up") as line:
            ground = site.up(settings, line.say)
        cluster = Cluster(ground)
        with self.progress.phase("images") as line:
            stacks = site.stacks(ground, cluster, settings, line.say)
        self._scene = Scene(ground, cluster, stacks, site.engine_logs(settings), site.trap)
        if isinstance(site, KeptSite) and site.restored:
            self._ready("all as it was saved")
        else:
            self._deploy(stacks)
            if isinstance(site, KeptSite):
                with self.progress.phase("the lab saved") as line:
                    site.keep(self.scene, line.say)
                self._ready("restored")
        self._choose()

    def _deploy(self, stacks: Stacks) -> None:
        with self.progress.phase("Reberth deployed"):
            stacks.deploy_system()
            self.scene.ready(self._patience)
        with self.progress.phase("PostgreSQL deployed"):
            stacks.deploy_database()
            wait_for(self._answers, self._patience)

    def _ready(self, phase: str) -> None:
        with self.progress.phase(phase):
            self.scene.ready(self._patience)
            wait_for(self._answers, self._patience)

    def round(self, fault: Fault) -> Report:
        turn = Round(self.scene, fault, self.settings, self.progress, self._clients)
        try:
            return turn.run(self._target())
        finally:
            self._broken = turn.node

    def again(self, fault: Fault) -> None:
        """The broken node takes part again, and everything is as before the round."""
        with self.progress.phase(f"{self._broken} takes part again"):
            if self._broken:
                fault.undo(self.scene, self._broken)
            self.scene.cluster.returned = self._broken
            self.scene.cluster.avoid = self._broken = ""
            self.scene.ready(self._patience)
            wait_for(self._answers, self._patience)
        self._choose()

    def collect(self, folder: Path) -> None:
        """The lab's logs, whatever state it is in."""
        lab_logs = self.site.logs(self.settings)
        if self._scene is not None:
            logs.collect(self._scene.ground, self._scene.cluster, folder, lab_logs)
        elif lab_logs is not None:
            logs.copy(lab_logs, folder)

    def close(self) -> None:
        if self._scene is not None:
            self._scene.cluster.close()

    def _target(self) -> Target:
        return Target(tuple(machine.address for machine in self.scene.ground.nodes), self.scene.stacks.password)

    def _answers(self) -> str:
        try:
            self.scene.cluster.place()
            first_open(self._target().addresses, self._target().port, 1.0)
        except (DrillError, OSError) as error:
            return f"PostgreSQL does not answer: {error}"
        return ""

    def _choose(self) -> None:
        if self.settings.target != "any":
            self.place(self.settings.target)

    def place(self, target: str) -> None:
        """Moves PostgreSQL by a planned move, unless it is on Swarm's leader, or on a node that is not it, already."""
        cluster = self.scene.cluster
        with self.progress.phase(f"PostgreSQL on a {target}"):
            wait_for(self._answers, self._patience)
            leader = cluster.leader()
            names = {machine.name for machine in self.scene.ground.nodes}
            wanted = {leader} if target == "leader" else names - {leader}
            if self._runs_on(wanted):
                self._move(wanted, names - wanted)

    def _move(self, wanted: set[str], others: set[str]) -> None:
        """Others take nothing new for a while; what runs there, the controllers above all, is not disturbed."""
        for name in others:
            self.scene.cluster.set_availability(name, "pause")
        self.scene.stacks.restart_database(self.scene.cluster.database_service())
        wait_for(lambda: self._runs_on(wanted), self._patience)
        for name in others:
            self.scene.cluster.set_availability(name, "active")
        self.scene.ready()

    def _runs_on(self, wanted: set[str]) -> str:
        complaint = self._answers()
        node = "" if complaint else self.scene.cluster.place().node
        return complaint or ("" if node in wanted else f"PostgreSQL still runs on {node}")

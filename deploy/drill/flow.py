"""The whole drill: a lab, both stacks, the rounds, the reports, and nothing left at the end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from deploy.drill import html, logs, report
from deploy.drill.cluster import Cluster, Trouble, wait_for
from deploy.drill.faults import Fault, make_fault
from deploy.drill.ground import DrillError, DrillSettings, Ground, Interrupted, Say
from deploy.drill.interrupts import interruptible, undisturbed
from deploy.drill.ledger import Target
from deploy.drill.net import first_open
from deploy.drill.progress import Progress
from deploy.drill.round import Round
from deploy.drill.scene import Scene
from deploy.drill.stacks import Stacks

INTERRUPTED = 130  # as a shell counts a Ctrl-C
START_SECONDS = 180.0  # for both stacks to run on a slow machine


class Site(Protocol):
    """Where labs come from: the one thing of a drill that differs between kinds of labs."""

    def packages(self, say: Say) -> None: ...
    def up(self, settings: DrillSettings, say: Say) -> Ground: ...
    def stacks(self, ground: Ground, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks: ...
    def logs(self, settings: DrillSettings) -> Path | None: ...
    def engine_logs(self, settings: DrillSettings) -> Mapping[str, Path]: ...
    def down(self, settings: DrillSettings) -> None: ...


@dataclass(slots=True)
class Result:
    code: int
    reports: list[report.Report]


class Drill:
    def __init__(self, site: Site, settings: DrillSettings, progress: Progress) -> None:
        self.site = site
        self.settings = settings
        self.progress = progress
        self.reports: list[report.Report] = []
        self._scene: Scene | None = None

    def run(self) -> Result:
        """Exit code 0 only when every round passed. Removes the lab unless it is to be kept."""
        fault = make_fault(self.settings.fault)
        with interruptible():
            try:
                code = self._guarded(fault)
            finally:
                with undisturbed():
                    self._end()
        return Result(code, self.reports)

    def _guarded(self, fault: Fault) -> int:
        try:
            self._prepare()
            self._rounds(fault)
        except Interrupted as signal:
            self.progress.note(
                f"Stopped by {signal} during: {self.progress.phase_name}. Removing everything.", "yellow"
            )
            self.settings = _not_kept(self.settings)
            return INTERRUPTED
        except (DrillError, *Trouble, subprocess.SubprocessError, OSError, RuntimeError) as error:
            with undisturbed():
                self._failed(error)
            return 1
        return 0 if all(found.verdict == "pass" for found in self.reports) else 1

    def _prepare(self) -> None:
        site, settings = self.site, self.settings
        with self.progress.phase("packages") as line:
            site.packages(line.say)
        with self.progress.phase("lab up") as line:
            ground = site.up(settings, line.say)
        cluster = Cluster(ground)
        with self.progress.phase("images") as line:
            stacks = site.stacks(ground, cluster, settings, line.say)
        self._scene = scene = Scene(ground, cluster, stacks, site.engine_logs(settings))
        with self.progress.phase("Reberth deployed"):
            stacks.deploy_system()
            scene.ready(START_SECONDS)
        with self.progress.phase("PostgreSQL deployed"):
            stacks.deploy_database()
            wait_for(self._answers, START_SECONDS)
        if settings.target != "any":
            with self.progress.phase(f"PostgreSQL on the {settings.target}"):
                self._choose(scene)

    def _need_scene(self) -> Scene:
        if self._scene is None:
            raise DrillError("the lab is not up")
        return self._scene

    def _target(self) -> Target:
        scene = self._need_scene()
        return Target(tuple(machine.address for machine in scene.ground.nodes), scene.stacks.password)

    def _answers(self) -> str:
        cluster = self._need_scene().cluster
        try:
            cluster.place()
            first_open(self._target().addresses, self._target().port, 1.0)
        except (DrillError, OSError) as error:
            return f"PostgreSQL does not answer: {error}"
        return ""

    def _choose(self, scene: Scene) -> None:
        """Moves PostgreSQL by a planned move until it runs on Swarm's leader, or on a node that is not it."""
        leader = scene.cluster.leader()
        wanted = {leader} if self.settings.target == "leader" else {m.name for m in scene.ground.nodes} - {leader}
        if scene.cluster.place().node in wanted:
            return
        others = [machine.name for machine in scene.ground.nodes if machine.name not in wanted]
        for name in others:
            scene.cluster.set_availability(name, "drain")
        wait_for(lambda: self._runs_on(wanted), START_SECONDS)
        for name in others:
            scene.cluster.set_availability(name, "active")
        scene.ready()

    def _runs_on(self, wanted: set[str]) -> str:
        complaint = self._answers()
        node = "" if complaint else self._need_scene().cluster.place().node
        return complaint or ("" if node in wanted else f"PostgreSQL still runs on {node}")

    def _rounds(self, fault: Fault) -> None:
        for number in range(1, self.settings.repeat + 1):
            if self.settings.repeat > 1:
                self.progress.note(f"Round {number} of {self.settings.repeat}", "bold")
            turn = Round(self._need_scene(), fault, self.settings, self.progress)
            found = turn.run(self._target())
            self.reports.append(found)
            self._write(number, found)
            if found.verdict == "fail" or number == self.settings.repeat:
                return
            fault = self._again(fault, turn.node)

    def _again(self, fault: Fault, node: str) -> Fault:
        """The broken node takes part again, and everything is as before the first round."""
        scene = self._need_scene()
        with self.progress.phase(f"{node} takes part again"):
            fault.undo(scene, node)
            scene.cluster.avoid = ""
            scene.ready(START_SECONDS)
            wait_for(self._answers, START_SECONDS)
            if self.settings.target != "any":
                self._choose(scene)
        return make_fault(fault.name)

    def _write(self, number: int, found: report.Report) -> None:
        folder = self.settings.report
        if self.settings.repeat > 1:
            folder /= f"round-{number:02}"
        report.write_json(folder / "report.json", found)
        (folder / "report.html").write_text(html.page(found))
        if found.verdict == "fail":
            self._collect(folder / "logs")
            self.progress.note(f"FAIL: {'; '.join(found.why)}", "red")
        self.progress.note(f"  report: {folder / 'report.html'}")

    def _failed(self, error: BaseException) -> None:
        folder = self.settings.report / "logs"
        self.progress.note(f"The drill failed during: {self.progress.phase_name}. {error}", "red")
        self._collect(folder)
        self.progress.note(f"Logs of the lab: {folder}")

    def _collect(self, folder: Path) -> None:
        lab_logs = self.site.logs(self.settings)
        if self._scene is not None:
            logs.collect(self._scene.ground, self._scene.cluster, folder, lab_logs)
        elif lab_logs is not None:
            logs.copy(lab_logs, folder)

    def _end(self) -> None:
        if self._scene is not None:
            self._scene.cluster.close()
        if self.settings.repeat > 1 and self.reports:
            self._summary()
        if self.settings.keep:
            self.progress.note(f"The lab {self.settings.name} is kept: `reberth lab down --name {self.settings.name}`.")
            return
        with self.progress.phase("everything removed"):
            self.site.down(self.settings)

    def _summary(self) -> None:
        found = report.summarize(self.reports)
        report.write_json(self.settings.report / "summary.json", found)
        (self.settings.report / "summary.html").write_text(html.summary_page(found, self.reports))
        for phase, numbers in found.seconds.items():
            self.progress.note(f"  {phase:<10} median {numbers.median:7.2f} s   maximum {numbers.maximum:7.2f} s")
        self.progress.note(f"  {found.passed} of {found.rounds} rounds passed", "green" if not found.why else "red")


def _not_kept(settings: DrillSettings) -> DrillSettings:
    """What an interrupt leaves is not a lab to play with."""
    return replace(settings, keep=False)

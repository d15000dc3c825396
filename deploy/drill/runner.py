"""The whole drill: a lab, both stacks, the rounds, the reports, and nothing left at the end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg

from deploy.drill.errors import DrillError, Interrupted
from deploy.drill.faults.catalogue import make_fault, rounds
from deploy.drill.interrupts import interruptible, undisturbed
from deploy.drill.progress import Progress
from deploy.drill.report import data, html
from deploy.drill.report.files import write_json
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Trouble
from deploy.drill.testbed import LabProvider, Testbed

INTERRUPTED = 130  # as a shell counts a Ctrl-C
EXPECTED: tuple[type[Exception], ...] = (DrillError, *Trouble, psycopg.Error, subprocess.SubprocessError, OSError)


@dataclass(slots=True)
class Result:
    code: int
    reports: list[data.Report]


class Drill:
    def __init__(self, provider: LabProvider, settings: DrillSettings, progress: Progress) -> None:
        self.provider = provider
        self.settings = settings
        self.progress = progress
        self.reports: list[data.Report] = []
        self.testbed = Testbed(provider, settings, progress)

    def run(self) -> Result:
        """Exit code 0 only when every round passed. Removes the lab unless it is to be kept."""
        names = rounds(self.settings)
        with interruptible():
            try:
                code = self._guarded(names)
            finally:
                with undisturbed():
                    self._end()
        return Result(code, self.reports)

    def _guarded(self, names: Sequence[str]) -> int:
        try:
            self.testbed.prepare()
            self._rounds(names)
        except Interrupted as signal:
            self.progress.note(
                f"Stopped by {signal} during: {self.progress.phase_name}. Removing everything.", "yellow"
            )
            self.settings = _not_kept(self.settings)
            return INTERRUPTED
        except EXPECTED + self.provider.errors as error:
            with undisturbed():
                self._failed(error)
            return 1
        return 0 if all(found.verdict == "pass" for found in self.reports) else 1

    def _rounds(self, names: Sequence[str]) -> None:
        for number, name in enumerate(names, 1):
            if len(names) > 1:
                self.progress.note(f"Round {number} of {len(names)}: {name}", "bold")
            fault = make_fault(name)
            found = self.testbed.round(fault)
            self.reports.append(found)
            self._write(number, found, many=len(names) > 1)
            if found.verdict == "fail" or number == len(names):
                return
            self.testbed.again(fault)

    def _write(self, number: int, found: data.Report, *, many: bool) -> None:
        folder = self.settings.report
        if many:
            folder /= f"round-{number:02}"
        write_json(folder / "report.json", found)
        (folder / "report.html").write_text(html.page(found))
        if found.verdict == "fail":
            self.testbed.collect(folder / "logs")
            self.progress.note(f"FAIL: {'; '.join(found.why)}", "red")
        self.progress.note(f"  report: {folder / 'report.html'}")

    def _failed(self, error: BaseException) -> None:
        folder = self.settings.report / "logs"
        self.progress.note(f"The drill failed during: {self.progress.phase_name}. {error}", "red")
        self.testbed.collect(folder)
        self.progress.note(f"Logs of the lab: {folder}")

    def _end(self) -> None:
        self.testbed.close()
        if len(self.reports) > 1:
            self._summary()
        if self.settings.keep:
            self.progress.note(f"The lab {self.settings.name} is kept: `reberth lab down --name {self.settings.name}`.")
            return
        with self.progress.phase("everything removed"):
            self.provider.down(self.settings)

    def _summary(self) -> None:
        found = data.summarize(self.reports)
        write_json(self.settings.report / "summary.json", found)
        (self.settings.report / "summary.html").write_text(html.summary_page(found, self.reports))
        for phase, numbers in found.seconds.items():
            self.progress.note(f"  {phase:<10} median {numbers.median:7.2f} s   maximum {numbers.maximum:7.2f} s")
        self.progress.note(f"  {found.passed} of {found.rounds} rounds passed", "green" if not found.why else "red")


def _not_kept(settings: DrillSettings) -> DrillSettings:
    """What an interrupt leaves is not a lab to play with."""
    return replace(settings, keep=False)

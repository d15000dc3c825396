"""Plays episodes on a lab, one after the other, each followed by an audit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deploy.drill.chaos.audit import Auditor
from deploy.drill.chaos.bank import Bank
from deploy.drill.chaos.faults.base import Act, Breaker, ChaosFault, harmless, of_namespaces
from deploy.drill.chaos.faults.catalogue import FAULTS
from deploy.drill.chaos.growth import trends
from deploy.drill.chaos.report import ChaosReport, Entry, write
from deploy.drill.chaos.schedule import Episode, Planned
from deploy.drill.chaos.writers import Writer, numbers, writers
from deploy.drill.interrupts import interruptible, undisturbed
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.progress import Progress
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import wait_for
from deploy.drill.testbed import Testbed
from deploy.drill.workload.client import CommitClient
from deploy.lab.images.images import ensure_services

START = 600.0  # for a lab with everything on it: nothing is measured before
WORKERS = 12


class Collector(Protocol):
    def collect(self, folder: Path) -> None:
        """The logs, whatever state all is in."""
        ...


@dataclass(slots=True)
class Chaos:
    settings: DrillSettings
    seed: int
    progress: Progress
    databases: bool = True  # MariaDB and Redis write, too
    load: int = 0  # clients of the bank
    faults: Mapping[str, ChaosFault] = field(default_factory=lambda: FAULTS)
    where: str = "a lab of namespaces"
    unaudited: Mapping[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    left: tuple[str, ...] = ()  # what could not be cleaned up
    _began: float = field(default_factory=time.monotonic)

    @contextmanager
    def standing(self) -> Iterator[tuple[Collector, Auditor]]:
        """A lab with all writers at work; nothing is left of it."""
        provider = NamespacesProvider()
        testbed = Testbed(provider, self.settings, self.progress, START)
        with interruptible():
            try:
                testbed.prepare()
                with CommitClient(testbed.target()) as client, Bank(testbed.target(), self.load) as bank:
                    lab = of_namespaces(testbed.scenario)
                    with self.progress.phase("image of MariaDB and Redis") as line:
                        services = ensure_services(lab, line.say) if self.databases else ""
                    auditor = Auditor(testbed.scenario, client, writers(services), bank)
                    self.start(auditor)
                    yield testbed, auditor
            finally:
                testbed.close()
                with undisturbed():
                    provider.down(self.settings)

    def start(self, auditor: Auditor) -> None:
        with self.progress.phase("writers deployed"):
            for writer in auditor.writers:
                writer.deploy(auditor.scenario)
            for writer in auditor.writers:
                wait_for(lambda writer=writer: _silent(writer, auditor), START)  # type: ignore[misc]

    def play(self, auditor: Auditor, episode: Episode) -> Entry:
        self.progress.note(str(episode), "bold")
        breaker = self.breaker(auditor, episode)
        with self.progress.phase(f"episode {episode.number}") as line:
            said = tuple(self._played(breaker, episode))
            complaint, seconds = auditor.recovered(self.settings.patience)
            wrong = tuple(filter(None, [complaint, *breaker.wrong, *auditor.judge()]))
            held = auditor.held() if complaint else {}
            line.say(f"well again after {seconds:.0f} s" if not wrong else "; ".join(wrong)[:300])
        entry = Entry(
            number=episode.number,
            text=str(episode),
            faults=tuple(sorted({each.fault for each in episode.faults})),
            seconds=seconds,
            wrong=wrong,
            held=held,
            told=tuple(auditor.told),
            said=said,
        )
        self.entries.append(entry)
        return entry

    def breaker(self, auditor: Auditor, _episode: Episode) -> Breaker:
        return Breaker(auditor.scenario, tuple(auditor.writers))

    def _played(self, breaker: Breaker, episode: Episode) -> Iterator[str]:
        """What could not be done. Every fault in a thread of its own: they overlap, and some take long."""
        began = time.monotonic()
        running: list[tuple[str, Future[str]]] = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for at, begins, planned in episode.moments():
                time.sleep(max(0.0, began + at - time.monotonic()))
                fault = self.faults[planned.fault]
                act = fault.act if begins else fault.cure
                running.append((_word(planned, begins=begins), pool.submit(harmless, act, breaker, planned.node)))
        yield from (f"{word}: {problem}" for word, each in running if (problem := each.result()))
        for planned in episode.faults:  # once more, when nothing overlaps any more
            if problem := _again(self.faults[planned.fault].cure, breaker, planned.node, self.settings.patience):
                yield f"cure of {planned.fault} {planned.node}: {problem}"

    def run(self, episodes: Iterable[Episode], minutes: float) -> ChaosReport:
        """Until the time is over, an episode fails, or there are no more."""
        with self.standing() as (testbed, auditor):
            end = time.monotonic() + minutes * 60
            for episode in episodes:
                entry = self.play(auditor, episode)
                self.write(auditor)
                if entry.wrong:
                    testbed.collect(self.settings.report / "logs")
                if entry.wrong or time.monotonic() > end:
                    break
        return self.write(auditor)

    def fails(self, episode: Episode) -> bool:
        """On a lab of its own."""
        with self.standing() as (_, auditor):
            return bool(self.play(auditor, episode).wrong)

    def write(self, auditor: Auditor, smallest: str = "") -> ChaosReport:
        report = ChaosReport(
            seed=self.seed,
            lab=self.where,
            verdict="fail" if self.left or any(entry.wrong for entry in self.entries) else "pass",
            minutes=round((time.monotonic() - self._began) / 60, 1),
            entries=tuple(self.entries),
            acknowledged=len(auditor.client.journal.commits()),
            numbers={**numbers(list(auditor.writers)), "bank": auditor.bank.acknowledged},
            trends=tuple(trends(auditor.usage)),
            smallest=smallest,
            unaudited=dict(self.unaudited),
            left=self.left,
        )
        write(self.settings.report, report)
        return report


def _silent(writer: Writer, auditor: Auditor) -> str:
    writer.audit(auditor.scenario)
    return "" if writer.least else f"{writer.name} has written nothing yet"


def _word(planned: Planned, *, begins: bool) -> str:
    return f"{'act' if begins else 'cure'} {planned.fault} {planned.node}"


def _again(cure: Act, breaker: Breaker, node: str, patience: float) -> str:
    """A cure may need a Swarm with a leader: asked until there is one."""
    end = time.monotonic() + patience
    while problem := harmless(cure, breaker, node):
        if time.monotonic() > end:
            return problem
        time.sleep(1)
    return ""

"""One round of a drill: steady commits, the fault, the recovery, and what became of every row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import psycopg

from deploy.drill.errors import DrillError, Say, silent
from deploy.drill.faults.base import Fault
from deploy.drill.progress import Progress
from deploy.drill.report import data
from deploy.drill.report.timeline import Seconds, Watched, after, evidence, seconds
from deploy.drill.report.verdict import Outcome, faults_found
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Place, Trouble
from deploy.drill.swarm.controller_answers import Explanation, HistoryRow
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.watcher import Sightings, SwarmWatch
from deploy.drill.workload import fsck_log
from deploy.drill.workload.client import Commit, CommitClient, Server, Target
from deploy.drill.workload.compare import Comparison, merge
from deploy.drill.workload.probe import Reading, read

STEP = 0.1
PLACE_SHOWN = 60.0  # for Swarm to list the task that answers as running
FIRST_COMMIT = 60.0  # for the client to find a PostgreSQL that answers already


@dataclass(frozen=True, slots=True)
class Before:
    """What was true just before the fault."""

    place: Place
    server: Server
    leader: str  # hostname of Swarm's leader
    history: tuple[HistoryRow, ...]  # the volume's


@dataclass(frozen=True, slots=True)
class Recovery:
    commit: Commit | None  # the first one that a PostgreSQL acknowledged which started after the fault
    fault_at: float
    sightings: Sightings
    stuck: str = ""


class Round:
    """Use once. ``run`` returns the report; the fault is undone by the caller, when it wants another round."""

    def __init__(
        self,
        scenario: Scenario,
        fault: Fault,
        settings: DrillSettings,
        progress: Progress,
        earlier: list[CommitClient] | None = None,
    ) -> None:
        """``earlier``: the clients of the rounds before, whose rows must still be there. This round's is added."""
        self.earlier = earlier if earlier is not None else []
        self.scenario = scenario
        self.fault = fault
        self.settings = settings
        self.progress = progress
        self.node = ""
        self._marks: Mapping[str, int] = {}

    def run(self, target: Target) -> data.Report:
        with CommitClient(target) as client:
            with self.progress.phase("steady commits"):
                before = self._steady(client)
            self.node = self.fault.victim(self.scenario, before.place.node)
            self.fault.prepare(self.scenario, self.node)
            recovery = self._break(client, before)
            comparison = self._compare(client, recovery)
            return self._report(client, before, recovery, comparison)

    def _steady(self, client: CommitClient) -> Before:
        first = self._first_commit(client)
        self._commit_for(client, self.settings.steady)
        place = self.scenario.cluster.place()
        return Before(place, first.server, self.scenario.cluster.leader(), self._history(place.volume))

    def _first_commit(self, client: CommitClient) -> Commit:
        end = time.monotonic() + FIRST_COMMIT
        while (first := client.journal.last()) is None:
            client.check()
            if time.monotonic() > end:
                raise DrillError(f"the client cannot commit before the fault: {client.problem}")
            time.sleep(STEP)
        return first

    def _commit_for(self, client: CommitClient, wanted: float) -> None:
        """Lets the client commit for a while; it must."""
        start = client.journal.commits()
        end = time.monotonic() + wanted
        while time.monotonic() < end:
            client.check()
            time.sleep(STEP)
        if len(client.journal.commits()) == len(start):
            raise DrillError(f"the client stopped committing by itself: {client.problem}")

    def _break(self, client: CommitClient, before: Before) -> Recovery:
        cluster = self.scenario.cluster
        service = cluster.database_service()
        self._marks = fsck_log.marks(self.scenario.engine_logs)
        known = [task["ID"] for task in cluster.tasks(service)]
        with SwarmWatch(self.scenario.lab.nodes, service, self.node, known) as watch:
            fault_at = time.time()
            with self.progress.phase(f"{self.fault.name} of {self.node}"):
                self.fault.act(self.scenario, self.node)
            if self.fault.expected.evidence is not None or self.fault.expected.undisturbed:
                cluster.avoid = self.node
            with self.progress.phase("commits again") as line:
                commit = self._wait(client, fault_at, watch.sightings, line.say)
            stuck = "" if commit else f"{cluster.why(before.place.volume)} / client: {client.problem}"
            if commit:
                self.fault.recovered(self.scenario)
                self._keep_committing(client)
        return Recovery(commit, fault_at, watch.sightings, stuck)

    def _wait(self, client: CommitClient, fault_at: float, seen: Sightings, say: Say) -> Commit | None:
        end = time.monotonic() + self.settings.patience
        while time.monotonic() < end:
            client.check()
            self.fault.meanwhile(self.scenario, time.time() - fault_at)
            commit = self._recovered(client, fault_at)
            if commit is not None:
                return commit
            say(_progress(seen, fault_at))
            time.sleep(STEP)
        return None

    def _recovered(self, client: CommitClient, fault_at: float) -> Commit | None:
        if self.fault.expected.undisturbed:
            since = self.fault.settled(self.scenario)
            return None if since is None else next(iter(client.journal.commits(since)), None)
        last = client.journal.last()
        if last is None or last.server.started <= fault_at:
            return None
        return next(c for c in client.journal.commits(fault_at) if c.server.started > fault_at)

    def _keep_committing(self, client: CommitClient) -> None:
        with self.progress.phase("steady commits after it"):
            self._commit_for(client, self.settings.steady)

    def _compare(self, client: CommitClient, recovery: Recovery) -> Comparison | None:
        if recovery.commit is None:
            client.stop()
            return None
        with self.progress.phase("every row compared") as line:
            try:
                found = merge(client.settle(), [older.settle() for older in self.earlier])
            except (psycopg.Error, OSError) as error:
                line.say(f"the table cannot be read: {error}")
                return None
            self.earlier.append(client)
            line.say(f"{found.acknowledged} acknowledged, {len(found.lost)} lost, {len(found.invented)} invented")
            return found

    def _report(
        self, client: CommitClient, before: Before, recovery: Recovery, comparison: Comparison | None
    ) -> data.Report:
        with self.progress.phase("writers read back") as line:
            place = self._place_after(came_back=recovery.commit is not None)
            reading = self._read_probe(place)
            rows = after(self._history(before.place.volume, line.say), recovery.fault_at, before.history)
            line.say("nothing could be read" if reading is None else f"{reading.overlaps} overlaps")
        at = recovery.fault_at
        watched = Watched(
            node_down=recovery.sightings.node_down,
            assigned=recovery.sightings.assigned,
            accepting=recovery.commit.at if recovery.commit else None,
        )
        outcome = Outcome(
            committing=recovery.commit is not None,
            stuck=recovery.stuck,
            nodes=(before.place.node, place.node if place else ""),
            identities=(before.server.identity, recovery.commit.server.identity if recovery.commit else ""),
            comparison=comparison,
            reading=reading,
            seconds=seconds(at, watched, rows),
            proof=evidence(rows),
            history=rows,
            replayed=self._replayed(place),
            objections=self.fault.objections(self.scenario),
        )
        settings = self._settings(before, outcome.seconds)
        return assemble(self.fault, self.settings, outcome, _drawing(client, at, outcome, reading), settings)

    def _replayed(self, place: Place | None) -> str:
        if place is None or not self.fault.expected.clean:
            return ""
        return fsck_log.complaint(self.scenario.engine_logs, self._marks, place.node)

    def _place_after(self, *, came_back: bool) -> Place | None:
        """After a change of Swarm's leader the task's state reaches Swarm's list well after its first commits."""
        end = time.monotonic() + (PLACE_SHOWN if came_back else 0.0)
        while True:
            try:
                return self.scenario.cluster.place()
            except (*Trouble, DrillError):
                if time.monotonic() >= end:
                    return None  # the verdict says so: nothing was measured
            time.sleep(STEP)

    def _read_probe(self, place: Place | None) -> Reading | None:
        if place is None:
            return None
        try:
            return read(self.scenario.cluster.probe(place))
        except (*Trouble, DrillError):
            return None  # the verdict says that nothing was measured

    def _history(self, volume: str, say: Say = silent) -> tuple[HistoryRow, ...]:
        """A controller may be away for a moment (it was killed, or its leader changed): asked a few times."""
        explanation = Explanation(volume)
        for _ in range(10):
            try:
                explanation = self.scenario.cluster.explain(volume)
                break
            except (*Trouble, DrillError) as error:
                say(str(error))
                time.sleep(1.0)
        return explanation.history

    def _settings(self, before: Before, found: Seconds) -> Mapping[str, data.Setting]:
        settings = self.settings
        return {
            "managers": settings.managers,
            "workers": settings.workers,
            "heartbeat": settings.heartbeat,
            "restart_delay": settings.delay,
            "storage": settings.storage,
            "target": settings.target,
            "swarm_leader_hit": before.leader == self.node,
            "volume": before.place.volume,
            "postgresql": before.server.version,
            "controllers_killed_at": getattr(self.fault, "killed_at", None),
            "complete": found.accepting is not None,
            **self.fault.found(self.scenario),
        }


def _progress(seen: Sightings, fault_at: float) -> str:
    down = f"node down after {seen.node_down - fault_at:.1f} s" if seen.node_down else "Swarm has not noticed yet"
    assigned = f", task assigned after {seen.assigned - fault_at:.1f} s" if seen.assigned else ""
    return f"{time.time() - fault_at:.0f} s: {down}{assigned}"


def _drawing(client: CommitClient, fault_at: float, outcome: Outcome, reading: Reading | None) -> data.Details:
    times = [commit.at for commit in client.journal.commits()]
    start, counts = data.rate(times, fault_at)
    comparison = outcome.comparison
    return data.Details(
        fault_at=fault_at,
        moved=outcome.nodes,
        in_doubt=comparison.in_doubt if comparison else 0,
        in_doubt_present=comparison.in_doubt_present if comparison else 0,
        lost_numbers=comparison.lost[:100] if comparison else (),
        invented_numbers=comparison.invented[:100] if comparison else (),
        rate_from=start,
        rate=counts,
        gap=data.gap(times, fault_at),
        writers=data.spans(reading, fault_at) if reading else (),
        probe_holes=reading.holes if reading else 0,
        probe_unreadable=reading.unreadable if reading else 0,
        history=outcome.history,
    )


def assemble(
    fault: Fault,
    settings: DrillSettings,
    outcome: Outcome,
    details: data.Details,
    chosen: Mapping[str, data.Setting],
) -> data.Report:
    """The report with its verdict. Pure."""
    why = faults_found(outcome, fault.expected)
    proof = outcome.proof
    return data.Report(
        fault=fault.name,
        lab=settings.lab,
        verdict="fail" if why else "pass",
        seconds=outcome.seconds,
        evidence=data.EvidenceReport(proof.evidence, proof.text) if proof else data.EvidenceReport(),
        commits=data.commits(outcome.comparison) if outcome.comparison else data.Commits(),
        writers=data.Writers(outcome.reading.overlaps if outcome.reading else None),
        settings=dict(chosen),
        why=why,
        details=msgspec.structs.replace(details, fault_text=fault.text),
    )

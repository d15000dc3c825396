"""A drill's report as data: what is written to ``report.json``. The format is described in docs/report.md."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from controller.model import EvidenceKind
from deploy.drill.report.timeline import PHASES, Seconds
from deploy.drill.swarm.controller_answers import HistoryRow
from deploy.drill.workload.compare import Comparison
from deploy.drill.workload.probe import Reading

Setting = str | int | float | bool | None
Verdict = Literal["pass", "fail"]


class EvidenceReport(msgspec.Struct, frozen=True):
    kind: EvidenceKind | None = None
    text: str = ""


class Commits(msgspec.Struct, frozen=True):
    acknowledged: int = 0
    present: int = 0
    lost: int = 0
    invented: int = 0


class Writers(msgspec.Struct, frozen=True):
    overlaps: int | None = None  # None: nothing could be read, so nothing was measured


class WriterSpan(msgspec.Struct, frozen=True):
    """One writer of the volume; times in seconds from the fault."""

    epoch: int
    task: str
    node: str
    first: float
    last: float
    records: int


class Details(msgspec.Struct, frozen=True):
    """What the drawing and an engineer need beside the verdict."""

    fault_at: float = 0.0  # unix seconds
    fault_text: str = ""
    moved: tuple[str, str] = ("", "")  # hostname before and after
    in_doubt: int = 0  # rows whose answer was lost
    in_doubt_present: int = 0
    lost_numbers: tuple[int, ...] = ()  # the first hundred
    invented_numbers: tuple[int, ...] = ()
    rate_from: float = 0.0  # seconds from the fault of the first bucket
    rate: tuple[int, ...] = ()  # acknowledged commits in each 100 ms
    gap: tuple[float, float] | None = None  # the longest time without a commit, seconds from the fault
    writers: tuple[WriterSpan, ...] = ()
    probe_holes: int = 0
    probe_unreadable: int = 0
    history: tuple[HistoryRow, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """One fault, one recovery."""

    fault: str
    lab: str
    verdict: Verdict
    seconds: Seconds
    evidence: EvidenceReport
    commits: Commits
    writers: Writers
    settings: dict[str, Setting]
    why: tuple[str, ...] = ()  # one sentence for each thing that keeps the verdict from being pass
    details: Details = Details()


class PhaseStatistics(msgspec.Struct, frozen=True):
    rounds: int
    median: float
    maximum: float


class Summary(msgspec.Struct, frozen=True):
    """Many rounds of one drill: ``summary.json``."""

    fault: str
    lab: str
    verdict: Verdict
    rounds: int
    passed: int
    seconds: dict[str, PhaseStatistics]
    settings: dict[str, Setting]
    why: tuple[str, ...] = ()


def commits(comparison: Comparison) -> Commits:
    return Commits(
        acknowledged=comparison.acknowledged,
        present=comparison.present,
        lost=len(comparison.lost),
        invented=len(comparison.invented),
    )


def spans(reading: Reading, fault_at: float) -> tuple[WriterSpan, ...]:
    return tuple(
        WriterSpan(
            epoch=span.writer.epoch,
            task=span.writer.task,
            node=span.writer.node,
            first=round(span.first - fault_at, 3),
            last=round(span.last - fault_at, 3),
            records=span.records,
        )
        for span in reading.spans
    )


def rate(times: Sequence[float], fault_at: float, bucket: float = 0.1) -> tuple[float, tuple[int, ...]]:
    """Commits in each bucket, and where the first bucket starts, in seconds from the fault."""
    if not times:
        return 0.0, ()
    first = int((min(times) - fault_at) // bucket)
    counts = [0] * (int((max(times) - fault_at) // bucket) - first + 1)
    for at in times:
        counts[int((at - fault_at) // bucket) - first] += 1
    return round(first * bucket, 3), tuple(counts)


def gap(times: Sequence[float], fault_at: float) -> tuple[float, float] | None:
    """The longest time between two acknowledged commits, in seconds from the fault."""
    ordered = sorted(times)
    if len(ordered) < 2:
        return None
    start, end = max(itertools.pairwise(ordered), key=lambda pair: pair[1] - pair[0])
    return round(start - fault_at, 3), round(end - fault_at, 3)


def summarize(reports: Sequence[Report]) -> Summary:
    """Median and maximum of each phase over all rounds; passes only if every round did."""
    passed = sum(1 for report in reports if report.verdict == "pass")
    return Summary(
        fault=reports[0].fault,
        lab=reports[0].lab,
        verdict="pass" if passed == len(reports) else "fail",
        rounds=len(reports),
        passed=passed,
        seconds={phase: numbers for phase in PHASES if (numbers := _statistics(reports, phase)) is not None},
        settings=reports[0].settings,
        why=tuple(f"round {n}: {why}" for n, report in enumerate(reports, 1) for why in report.why),
    )


def _statistics(reports: Sequence[Report], phase: str) -> PhaseStatistics | None:
    """None where no round saw the phase."""
    found = [value for report in reports if (value := getattr(report.seconds, phase)) is not None]
    return PhaseStatistics(len(found), round(statistics.median(found), 3), max(found)) if found else None

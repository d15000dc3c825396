"""When a drill passes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.model import EvidenceKind, Moment
from deploy.drill.report.timeline import Seconds
from deploy.drill.swarm.controller_answers import HistoryRow
from deploy.drill.workload.compare import Comparison
from deploy.drill.workload.probe import Reading


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be true after a fault, beside no commit lost, none invented and no two writers."""

    evidence: EvidenceKind | None = None  # None: the disk stays where it is, so nothing has to be proven
    or_else: EvidenceKind | None = None  # evidence that does as well
    moves: bool = False  # the task ends on another node
    stays: bool = False  # the disk is neither detached nor attached
    clean: bool = False  # the file system was unmounted cleanly
    undisturbed: bool = False  # what is broken is another node: PostgreSQL goes on all the time


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that was found out about one recovery."""

    committing: bool  # the client commits again, on a PostgreSQL that runs where it should
    stuck: str  # why not, in Reberth's own words
    nodes: tuple[str, str]  # hostname before and after
    identities: tuple[str, str]  # PostgreSQL's system identifier before and after
    comparison: Comparison | None
    reading: Reading | None
    seconds: Seconds
    proof: HistoryRow | None
    history: tuple[HistoryRow, ...]  # after the fault
    replayed: str = ""  # a journal recovery that was seen at the next mount
    objections: tuple[str, ...] = ()  # of the fault itself


def faults_found(outcome: Outcome, expected: Expectation) -> tuple[str, ...]:
    """One sentence for each reason not to pass; empty: the drill passes."""
    return (
        *_recovery(outcome, expected),
        *_rows(outcome.comparison),
        *_writers(outcome.reading),
        *_evidence(outcome, expected),
        *outcome.objections,
    )


def _recovery(outcome: Outcome, expected: Expectation) -> Iterator[str]:
    if not outcome.committing:
        yield f"the client did not commit again: {outcome.stuck}"
        return
    if expected.moves and outcome.nodes[0] == outcome.nodes[1]:
        yield f"the task did not leave {outcome.nodes[0]}"
    if expected.undisturbed and outcome.nodes[0] != outcome.nodes[1]:
        yield f"the task left {outcome.nodes[0]} although that node was well"
    if outcome.identities[0] != outcome.identities[1]:
        yield (
            "PostgreSQL runs on other data than before the fault: "
            f"system identifier {outcome.identities[1]} instead of {outcome.identities[0]}"
        )


def _rows(comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        yield "the table could not be compared with the client's list"
        return
    if comparison.acknowledged == 0:
        yield "no commit was acknowledged at all, so nothing was tested"
    if comparison.lost:
        yield f"{len(comparison.lost)} acknowledged commits are lost, the first is number {comparison.lost[0]}"
    if comparison.invented:
        yield (
            f"{len(comparison.invented)} rows are in the table that nobody sent, or twice, "
            f"the first is number {comparison.invented[0]}"
        )


def _writers(reading: Reading | None) -> Iterator[str]:
    if reading is None or reading.records == 0:
        yield "the probe left no records in the volume: that only one machine wrote is not measured"
        return
    if reading.overlaps:
        yield f"two machines wrote at once: {reading.overlaps} records of an older writer beside a newer one's"
    if reading.holes:
        yield f"{reading.holes} records of the probe are missing: overwritten by another writer, or lost"
    if reading.unreadable:
        yield f"{reading.unreadable} slots of the probe hold something else than a record"


def _evidence(outcome: Outcome, expected: Expectation) -> Iterator[str]:
    yield from _kind(outcome, expected)
    if expected.stays:
        yield from (
            f"the disk was {row.moment.value} although the container came back on the same machine: {row.text}"
            for row in outcome.history
            if row.moment in {Moment.DETACHED, Moment.FENCED}
        )
    if expected.clean and outcome.replayed:
        yield f"the file system was not unmounted cleanly: {outcome.replayed}"


def _kind(outcome: Outcome, expected: Expectation) -> Iterator[str]:
    kind = outcome.proof.evidence if outcome.proof else None
    good = [each for each in (expected.evidence, expected.or_else) if each is not None]
    if good and kind not in good:
        found = f"{kind.value}" if kind else "none"
        wanted = " or ".join(each.value for each in good)
        yield f"the evidence about the old machine is {found}, expected {wanted}"

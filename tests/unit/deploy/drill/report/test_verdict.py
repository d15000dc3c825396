from dataclasses import replace

import pytest
from msgspec import structs

from controller.model import EvidenceKind, Moment
from deploy.drill.report.timeline import Seconds
from deploy.drill.report.verdict import Expectation, Outcome, faults_found
from deploy.drill.swarm.controller_answers import HistoryRow
from deploy.drill.workload.compare import compare
from deploy.drill.workload.probe import Reading, Span, Writer

PROOF = HistoryRow(moment=Moment.EVIDENCE, at=1014.0, text="seen off", evidence=EvidenceKind.POWERED_OFF)
READING = Reading(spans=(Span(Writer(1, "t", "swarm01"), 1.0, 2.0, 5),))
GOOD = Outcome(
    committing=True,
    stuck="",
    nodes=("swarm01", "swarm02"),
    identities=("77", "77"),
    comparison=compare([1, 2], [1, 2], [1, 2]),
    reading=READING,
    seconds=Seconds(),
    proof=PROOF,
    history=(PROOF,),
)
POWER_OFF = Expectation(evidence=EvidenceKind.POWERED_OFF, moves=True)


def test_a_recovery_with_everything_in_order_passes() -> None:
    assert faults_found(GOOD, POWER_OFF) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"committing": False, "stuck": "waits for node swarm01"}, "waits for node swarm01"),
        ({"nodes": ("swarm01", "swarm01")}, "did not leave swarm01"),
        ({"identities": ("77", "78")}, "other data"),
        ({"comparison": None}, "could not be compared"),
        ({"comparison": compare([], [], [])}, "no commit was acknowledged"),
        ({"comparison": compare([1, 2], [1, 2], [2])}, "1 acknowledged commits are lost"),
        ({"comparison": compare([1], [1], [1, 2])}, "1 rows are in the table"),
        ({"reading": None}, "not measured"),
        ({"reading": Reading()}, "not measured"),
        ({"reading": replace(READING, overlaps=3)}, "two machines wrote at once"),
        ({"reading": replace(READING, holes=1)}, "records of the probe are missing"),
        ({"reading": replace(READING, unreadable=1)}, "something else"),
        ({"proof": None}, "none, expected powered-off"),
    ],
)
def test_each_single_thing_out_of_order_fails_with_its_sentence(change: dict[str, object], said: str) -> None:
    found = faults_found(replace(GOOD, **change), POWER_OFF)  # type: ignore[arg-type]

    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("kind", [EvidenceKind.RELEASED, EvidenceKind.POWERED_OFF, EvidenceKind.DETACHED])
def test_of_two_kinds_of_evidence_that_do_either_passes_and_no_third(kind: EvidenceKind) -> None:
    either = Expectation(evidence=EvidenceKind.RELEASED, or_else=EvidenceKind.POWERED_OFF, moves=True)

    found = faults_found(replace(GOOD, proof=structs.replace(PROOF, evidence=kind)), either)

    third = "the evidence about the old machine is detached, expected released or powered-off"
    assert found == ((third,) if kind is EvidenceKind.DETACHED else ())


def test_a_disk_that_left_fails_a_restart_on_the_same_machine() -> None:
    detached = HistoryRow(moment=Moment.DETACHED, at=1001.0, text="from swarm01")

    found = faults_found(replace(GOOD, history=(detached,)), Expectation(stays=True))

    assert found == ("the disk was detached although the container came back on the same machine: from swarm01",)


def test_a_journal_recovery_fails_a_planned_move() -> None:
    found = faults_found(replace(GOOD, replayed="recovering journal"), Expectation(moves=True, clean=True))

    assert found == ("the file system was not unmounted cleanly: recovering journal",)

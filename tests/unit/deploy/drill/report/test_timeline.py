import msgspec

from controller.model import EvidenceKind, Moment
from deploy.drill.report.timeline import Watched, after, evidence, seconds
from deploy.drill.swarm.controller_answers import Explanation, HistoryRow

FAULT = 1000.0


def row(moment: Moment, at: float, kind: EvidenceKind | None = None) -> HistoryRow:
    return HistoryRow(moment=moment, at=at, text=moment.value, evidence=kind)


HISTORY = (
    row(Moment.EVIDENCE, 900.0, EvidenceKind.RELEASED),
    row(Moment.MOUNTED, 905.0),
    row(Moment.EVIDENCE, 1014.0, EvidenceKind.POWERED_OFF),
    row(Moment.DETACHED, 1014.1),
    row(Moment.ATTACHED, 1014.25),
    row(Moment.MOUNTED, 1015.5),
)


def test_seconds_count_from_the_fault_and_leave_out_what_was_before_it() -> None:
    found = seconds(FAULT, Watched(node_down=1013.5, assigned=1013.6, accepting=1019.0), after(HISTORY, FAULT))

    assert (found.node_down, found.assigned, found.accepting) == (13.5, 13.6, 19.0)
    assert (found.evidence, found.detached, found.attached, found.mounted) == (14.0, 14.1, 14.25, 15.5)


def test_a_phase_that_did_not_happen_has_no_seconds() -> None:
    found = seconds(FAULT, Watched(), after(HISTORY[:2], FAULT))

    assert found == type(found)()


def test_the_mount_that_counts_is_the_one_after_the_attach() -> None:
    """The old node's late mount report, seen after the fault, is not the recovery."""
    history = (row(Moment.MOUNTED, 1000.1), *HISTORY)

    assert seconds(FAULT, Watched(), after(history, FAULT)).mounted == 15.5


def test_the_evidence_is_that_of_this_fault() -> None:
    found = evidence(after(HISTORY, FAULT))

    assert found is not None
    assert found.evidence is EvidenceKind.POWERED_OFF
    assert evidence(after(HISTORY, 2000.0)) is None


def test_new_evidence_counts_although_its_node_has_a_clock_that_is_a_second_behind() -> None:
    rows = (row(Moment.EVIDENCE, 999.4, EvidenceKind.POWERED_OFF),)

    assert evidence(after(rows, FAULT)) == rows[0]
    assert evidence(after(rows, FAULT, known=rows)) is None


def test_explain_is_read_as_the_controller_prints_it() -> None:
    """Also with fields that a newer controller adds."""
    text = b"""{"volume": "db_data", "placement": "on the target", "decision": "Converged", "why": "w", "cure": "",
      "evidence": [], "grants": [{"task": "t"}], "history": [{"moment": "evidence", "at": 1.5, "epoch": 3,
      "text": "seen off", "node": "swarm01", "evidence": "powered-off", "new": 1}]}"""

    found = msgspec.json.decode(text, type=Explanation)

    assert found.history[0].evidence is EvidenceKind.POWERED_OFF
    assert found.history[0].moment is Moment.EVIDENCE

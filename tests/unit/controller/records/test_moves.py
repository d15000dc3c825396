"""A volume's history as moves: what begins one, what ends it, and the seconds between."""

from controller.model import Epoch, EvidenceKind, HistoryEntry, Moment
from controller.records.moves import moves

FIRST_START = (("created", ""), ("attached", "n1"), ("granted", "n1"), ("mounted", "n1"))
FAILOVER = (("evidence", "n1"), ("detached", "n1"), ("attached", "n2"), ("granted", "n2"), ("mounted", "n2"))


def history(*steps: tuple[str, str], kind: EvidenceKind = EvidenceKind.POWERED_OFF) -> tuple[HistoryEntry, ...]:
    """One entry a second, the first at 100."""
    return tuple(
        HistoryEntry(Moment(word), 100.0 + second, Epoch(1), "", node, kind if word == "evidence" else None)
        for second, (word, node) in enumerate(steps)
    )


def test_a_first_start_is_no_move() -> None:
    assert moves(history(*FIRST_START)) == ()


def test_a_failover_is_one_move_with_the_seconds_of_each_phase() -> None:
    (move,) = moves(history(*FIRST_START, *FAILOVER))
    assert (move.at, move.source, move.target, move.evidence) == (104.0, "n1", "n2", EvidenceKind.POWERED_OFF)
    assert {moment.value: seconds for moment, seconds in move.seconds.items()} == {
        "evidence": 0.0, "detached": 1.0, "attached": 2.0, "granted": 3.0, "mounted": 4.0,
    }  # fmt: skip
    assert (move.total, move.ended, move.planned) == (4.0, True, False)


def test_a_fence_begins_the_move_and_its_evidence_follows() -> None:
    (move,) = moves(history(("fenced", "n1"), *FAILOVER))
    assert (move.seconds[Moment.FENCED], move.seconds[Moment.EVIDENCE], move.total) == (0.0, 1.0, 5.0)


def test_a_move_that_was_asked_for_is_planned() -> None:
    (move,) = moves(history(("revoked", "n1"), *FAILOVER, kind=EvidenceKind.RELEASED))
    assert move.planned
    assert move.total == 5.0


def test_a_fence_is_never_planned_whatever_the_evidence_says_later() -> None:
    (move,) = moves(history(("fenced", "n1"), *FAILOVER, kind=EvidenceKind.RELEASED))
    assert not move.planned


def test_what_is_not_over_has_no_total() -> None:
    (move,) = moves(history(("evidence", "n1"), ("detached", "n1")))
    assert (move.ended, move.total) == (False, None)


def test_a_target_that_dies_too_makes_two_moves() -> None:
    first, second = moves(history(("evidence", "n1"), ("detached", "n1"), ("attached", "n2"), *FAILOVER))
    assert (first.source, first.target, first.ended) == ("n1", "n2", False)
    assert (second.at, second.ended) == (103.0, True)


def test_a_clock_that_is_set_back_gives_no_negative_seconds() -> None:
    early = HistoryEntry(Moment.MOUNTED, 50.0, Epoch(1), "", "n2")
    (move,) = moves((*history(("evidence", "n1")), early))
    assert move.total == 0.0

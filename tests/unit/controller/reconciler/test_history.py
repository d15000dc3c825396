"""What an open intent is worth, and what a record's history says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    AttachmentState,
    BootId,
    Confirmation,
    Epoch,
    Evidence,
    EvidenceKind,
    HistoryEntry,
    Intent,
    Moment,
    MountState,
    NodeId,
    NodeState,
    Operation,
    VmId,
    World,
)
from controller.reconciler.executor import needs_tidying
from controller.reconciler.history import evidence_entries, hostname, mounted_is_news, placed_entry, settled
from tests.support.worlds import EPOCH, gate, grant, node, on, record, vm, world

OLDER = Epoch(6)
ATTACH = Intent(Operation.ATTACH, EPOCH, vm(1))
DETACH = Intent(Operation.DETACH, EPOCH, vm(1))
THERE, AWAY = world(on(1)), world()
BUSY = world(on(1, state=AttachmentState.UNCERTAIN))
UNREAD = world(attachments=None)
GAPS = ("host b is away",)


@pytest.mark.parametrize(
    ("intent", "w", "is_settled"),
    [
        (None, THERE, False),
        (ATTACH, THERE, True),
        (ATTACH, AWAY, False),
        (ATTACH, BUSY, False),
        (ATTACH, world(on(2)), False),
        (ATTACH, UNREAD, False),
        (replace(ATTACH, vm=None), THERE, False),
        (DETACH, AWAY, True),
        (DETACH, THERE, False),
        (DETACH, BUSY, False),
        (DETACH, world(on(2)), True),
        (DETACH, UNREAD, False),
        (DETACH, world(unlisted=GAPS), False),
        (DETACH, world(on(2), unlisted=GAPS), True),
        (ATTACH, world(on(1), unlisted=GAPS), True),
        (replace(ATTACH, in_doubt=True), THERE, False),
        (replace(DETACH, in_doubt=True), AWAY, False),
        (replace(ATTACH, in_doubt=True, epoch=OLDER), THERE, True),
        (replace(DETACH, in_doubt=True, epoch=OLDER), AWAY, True),
        (Intent(Operation.CREATE, EPOCH), AWAY, True),
        (Intent(Operation.CREATE, EPOCH, in_doubt=True), AWAY, True),
        (Intent(Operation.DELETE, EPOCH), AWAY, False),
        (Intent(Operation.DELETE, OLDER, in_doubt=True), AWAY, False),
        (Intent(Operation.POWER_OFF, EPOCH, vm(1)), AWAY, False),
    ],
)
def test_an_intent_is_settled_when_the_list_agrees_and_its_call_cannot_come_any_more(
    intent: Intent | None, w: World, is_settled: bool
) -> None:
    """Uncertain or unread is no agreement, and an answer that never came in this epoch leaves a call that may come."""
    assert settled(record(intent=intent), w) is is_settled


def test_without_a_disk_nothing_is_settled() -> None:
    assert settled(record(intent=Intent(Operation.CREATE, EPOCH), disk=None), AWAY) is False


@pytest.mark.parametrize(
    ("intent", "w", "entry"),
    [
        (ATTACH, THERE, HistoryEntry(Moment.ATTACHED, 5.0, EPOCH, "disk disk-data attached to VM vm1", "swarm01")),
        (
            replace(DETACH, epoch=OLDER, evidence=EvidenceKind.POWERED_OFF),
            AWAY,
            HistoryEntry(
                Moment.DETACHED, 5.0, OLDER, "disk disk-data detached from VM vm1", "swarm01", EvidenceKind.POWERED_OFF
            ),
        ),
        (ATTACH, AWAY, None),
        (DETACH, THERE, None),
        (replace(DETACH, vm=None), AWAY, None),
        (Intent(Operation.CREATE, EPOCH), AWAY, None),
        (Intent(Operation.CREATE, EPOCH, vm(1)), AWAY, None),
        (None, AWAY, None),
    ],
)
def test_a_settled_move_is_told_with_the_epoch_that_asked_for_it(
    intent: Intent | None, w: World, entry: HistoryEntry | None
) -> None:
    assert placed_entry(record(intent=intent), w, 5.0) == entry


def said(moment: Moment, where: str = "swarm01", kind: EvidenceKind | None = None) -> HistoryEntry:
    return HistoryEntry(moment, 1.0, EPOCH, "text", where, kind)


@pytest.mark.parametrize(
    ("history", "is_news"),
    [
        ((), True),
        ((said(Moment.ATTACHED),), False),
        ((said(Moment.ATTACHED), said(Moment.GRANTED), said(Moment.MOUNTED)), False),
        ((said(Moment.ATTACHED, "swarm02"),), True),
        ((said(Moment.ATTACHED), said(Moment.DETACHED)), True),
        ((said(Moment.DETACHED), said(Moment.ATTACHED)), False),
        ((said(Moment.MOUNTED), said(Moment.DETACHED, "swarm02")), True),
    ],
)
def test_an_attachment_is_told_once(history: tuple[HistoryEntry, ...], is_news: bool) -> None:
    """The newest entry about where the disk is decides, whatever else was told since."""
    assert (placed_entry(record(intent=ATTACH, history=history), THERE, 5.0) is not None) is is_news


OFF = Evidence(EvidenceKind.POWERED_OFF, vm(1), "it is off", "hypervisor")
TOLD = said(Moment.EVIDENCE, "swarm01", EvidenceKind.POWERED_OFF)


@pytest.mark.parametrize(
    ("history", "is_news"),
    [
        ((), True),
        ((TOLD,), False),
        ((TOLD, said(Moment.DETACHED)), False),
        ((TOLD, said(Moment.ATTACHED)), True),
        ((TOLD, said(Moment.GRANTED)), True),
        ((said(Moment.ATTACHED), TOLD, said(Moment.DETACHED)), False),
        ((said(Moment.EVIDENCE, "swarm02", EvidenceKind.POWERED_OFF),), True),
        ((said(Moment.EVIDENCE, "swarm01", EvidenceKind.DETACHED),), True),
        ((said(Moment.DETACHED, "swarm01", EvidenceKind.POWERED_OFF),), True),
    ],
)
def test_evidence_is_told_once_for_each_time_that_the_disk_was_given(
    history: tuple[HistoryEntry, ...], is_news: bool
) -> None:
    entries = evidence_entries(record(history=history), OFF, THERE, 9.0)

    wanted = HistoryEntry(Moment.EVIDENCE, 9.0, EPOCH, "it is off", "swarm01", EvidenceKind.POWERED_OFF)
    assert entries == ((wanted,) if is_news else ())


def test_evidence_with_a_time_of_its_own_keeps_it() -> None:
    assert [each.at for each in evidence_entries(record(), replace(OFF, at=4.0), THERE, 9.0)] == [4.0]


@pytest.mark.parametrize(
    ("history", "is_news"),
    [
        ((), False),
        ((said(Moment.GRANTED),), True),
        ((said(Moment.GRANTED), said(Moment.MOUNTED)), False),
        ((said(Moment.MOUNTED), said(Moment.GRANTED)), True),
        ((said(Moment.GRANTED), said(Moment.MOUNTED, "swarm02")), True),
        ((said(Moment.GRANTED, "swarm02"),), False),
        ((said(Moment.GRANTED, "swarm02"), said(Moment.ATTACHED)), False),
        ((said(Moment.GRANTED), said(Moment.ATTACHED)), True),
        ((said(Moment.MOUNTED), said(Moment.GRANTED, "swarm02")), False),
    ],
)
def test_a_mount_is_told_once_for_each_grant_to_that_node(history: tuple[HistoryEntry, ...], is_news: bool) -> None:
    assert mounted_is_news(record(history=history), "swarm01") is is_news


def test_a_vm_is_called_by_the_node_that_lives_on_it() -> None:
    """A node that rejoined left an entry behind that is down: the living one gives the name, whatever their order."""
    left = replace(node(1, NodeState.DOWN), hostname="old")
    again = replace(node(1), id=NodeId("n1-new"), hostname="new")
    both = [replace(world(), nodes={each.id: each for each in order}) for order in ((left, again), (again, left))]

    assert [hostname(w, vm(1)) for w in both] == ["new", "new"]
    assert hostname(world(), VmId("vm9")) == ""
    assert hostname(world(nodes=[node(2, vm=None)]), None) == ""
    assert hostname(replace(world(), nodes=None), vm(1)) == ""


@pytest.mark.parametrize(
    ("intent", "grants", "w", "needed"),
    [
        (ATTACH, (), THERE, True),
        (ATTACH, (grant(1),), THERE, True),
        (ATTACH, (), AWAY, False),
        (DETACH, (), AWAY, True),
        (DETACH, (grant(1),), AWAY, False),
        (None, (), AWAY, False),
        (None, (grant(1),), AWAY, False),
    ],
)
def test_a_settled_intent_is_tidied_unless_evidence_may_rest_on_it(
    intent: Intent | None, grants: tuple[object, ...], w: World, needed: bool
) -> None:
    volume = replace(record(), grants=grants, intent=intent)  # type: ignore[arg-type]

    assert bool(needs_tidying(volume, w)) is needed


DEAD = Evidence(EvidenceKind.CONFIRMED, vm(1), "it is dead", "ann", 3.0)
LET_GO = Evidence(EvidenceKind.RELEASED, vm(1), "it let go", "gate", 3.0)


def confirmed(at: float, of: int = 1, by: str = "ann") -> Confirmation:
    return Confirmation(NodeId(f"n{of}"), vm(of), BootId(f"b{of}"), "unplugged", by, at)


def test_whoever_confirmed_a_death_is_named_with_the_time_of_the_word() -> None:
    """Another VM's is no part of it; a word without a time has that of the entry, one without a name is a person's."""
    w = replace(THERE, confirmations=(confirmed(2.0), confirmed(2.0, of=2), confirmed(0.0, by="")))
    text = "confirmed that VM vm1 is dead: unplugged"

    first, second, _ = evidence_entries(record(), DEAD, w, 9.0)
    kind = EvidenceKind.CONFIRMED
    assert first == HistoryEntry(Moment.CONFIRMED, 2.0, EPOCH, f"ann {text}", "swarm01", kind)
    assert second == HistoryEntry(Moment.CONFIRMED, 9.0, EPOCH, f"a person {text}", "swarm01", kind)


def test_what_a_gate_let_go_is_told_under_its_newest_serial() -> None:
    w = world(on(1), gates=[gate(1, MountState.UNMOUNTED, 4)])

    first, _ = evidence_entries(record(grant(1, "t1", 3), grant(1, "t2", 4), grant(2, "t3", 5)), LET_GO, w, 9.0)

    text = "its gate let go what it had mounted under serial 4"
    assert first == HistoryEntry(Moment.RELEASED, 9.0, EPOCH, text, "swarm01", EvidenceKind.RELEASED)


@pytest.mark.parametrize(
    "w",
    [replace(THERE, gates={}), THERE, world(on(1), gates=[gate(1, MountState.UNMOUNTED, 4, boot=BootId("b9"))])],
    ids=["gate not heard", "gate does not name it", "another boot"],
)
def test_a_gate_that_says_nothing_of_the_volume_let_nothing_go(w: World) -> None:
    assert [each.moment for each in evidence_entries(record(grant(1)), LET_GO, w, 9.0)] == [Moment.EVIDENCE]

"""What the actions that only write a record write into it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    BootId,
    Confirmation,
    DiskId,
    Epoch,
    Evidence,
    EvidenceKind,
    GateView,
    GateVolume,
    Grant,
    HistoryEntry,
    Intent,
    Moment,
    MountState,
    NodeId,
    Operation,
    Phase,
    Serial,
    Source,
    Spec,
    TaskId,
    VolumeName,
    World,
)
from controller.planner.actions import Detach, DropGrants, GrantMount, Revoke, Wait
from controller.reconciler.record_changes import created
from controller.reconciler.record_writer import PROGRESS, Changed
from controller.records.memory import Call, Fault
from tests.support.executors import Desk
from tests.support.worlds import DISK, EPOCH, V, claim, grant, on, record, vm, world

ATTACHED = Intent(Operation.ATTACH, EPOCH, vm(1), at=990.0)
NEW = GrantMount(V, TaskId("t2"), NodeId("n1"), vm(1), BootId("b1"), Serial(5), supersedes=(grant(1, "gone", 3),))


async def test_a_grant_is_written_with_all_that_the_gate_will_be_held_to() -> None:
    """It replaces what it supersedes, keeps the others, ends a settled intent, and names the service that has it."""
    volume = record(grant(1, "gone", 3), grant(1, "t1", 4), intent=ATTACHED, service="old")
    desk = Desk(volume, 1)

    assert await desk.do(world(on(1), volume=volume, wanted=claim(1, "t2", "t1")), NEW) == PROGRESS
    new = Grant(TaskId("t2"), NodeId("n1"), vm(1), BootId("b1"), EPOCH, Serial(5), 1000.0)
    kept = desk.kept
    assert (kept.serial, kept.grants, kept.intent, kept.service) == (5, (grant(1, "t1", 4), new), None, "db")
    assert kept.place == vm(1)
    assert kept.history[-1] == HistoryEntry(Moment.GRANTED, 1000.0, EPOCH, "task t2, serial 5", "swarm01")


@pytest.mark.parametrize("w", [world(on(1)), replace(world(on(1)), claims=None), world(on(1), wanted=claim(1, "t9"))])
async def test_a_grant_to_a_task_that_is_not_seen_any_more_leaves_the_service_as_it_was(w: World) -> None:
    volume = record(intent=Intent(Operation.DETACH, Epoch(6), vm(1)), service="old")
    desk = Desk(volume, 1)
    await desk.do(replace(w, volumes={V: volume}), NEW)

    assert desk.kept.service == "old"
    assert desk.kept.intent == volume.intent  # the list does not agree with it: still open


async def test_a_grant_on_a_record_that_changed_meanwhile_is_not_given() -> None:
    volume = record()
    desk = Desk(volume, 1)
    desk.records.fail(Call.REPLACE_VOLUME, Fault.STALE)

    assert isinstance(await desk.do(world(on(1), volume=volume, wanted=claim(1)), NEW), Changed)
    assert desk.kept.grants == ()


async def test_an_idle_volume_loses_its_settled_intent_and_gets_the_entry() -> None:
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)

    assert await desk.do(world(on(1), volume=volume), Wait(V, "why")) == PROGRESS
    assert desk.kept.intent is None
    assert [each.moment for each in desk.kept.history] == [Moment.ATTACHED]


@pytest.mark.parametrize(("grants", "holder"), [((grant(1),), "swarm01"), ((), "")])
async def test_permissions_that_are_taken_back_are_told_with_the_time_and_who_had_them(
    grants: tuple[Grant, ...], holder: str
) -> None:
    volume = record(*grants, serial=1)
    desk = Desk(volume, 1)
    assert await desk.do(world(on(1), volume=volume), Revoke(V, "the task moved")) == PROGRESS
    assert (desk.kept.serial, desk.kept.grants) == (2, grants)
    assert desk.kept.history[-1] == HistoryEntry(Moment.REVOKED, 1000.0, EPOCH, "the task moved", holder)


async def test_dropped_grants_are_told_with_the_evidence() -> None:
    """Other grants stay; the entry says who saw what, about which node, and when it was acted on."""
    other = grant(1, "t2", 2, boot="b0")
    volume = record(grant(1), other, serial=3)
    desk = Desk(volume, 1)
    proof = Evidence(EvidenceKind.POWERED_OFF, vm(1), "volume data: it is off", "hypervisor")

    assert await desk.do(world(on(1), volume=volume), DropGrants(V, (grant(1),), proof)) == PROGRESS
    assert desk.kept.grants == (other,)
    assert desk.kept.history == (
        HistoryEntry(
            Moment.EVIDENCE, 1000.0, EPOCH, "volume data: it is off", "swarm01", EvidenceKind.POWERED_OFF
        ),
    )  # fmt: skip


async def test_a_gate_that_let_go_is_told_before_the_evidence_that_it_is() -> None:
    volume = record(grant(1, serial=4), serial=5)
    desk = Desk(volume, 1)
    word = GateVolume(V, MountState.UNMOUNTED, Serial(5))
    gate = GateView(NodeId("n1"), vm(1), BootId("b1"), 1.0, {V: word})
    proof = Evidence(EvidenceKind.RELEASED, vm(1), "volume data: unmounted", "gate")
    w = replace(world(on(1), volume=volume), gates={vm(1): gate})

    assert await desk.do(w, DropGrants(V, volume.grants, proof)) == PROGRESS
    assert [(each.moment, each.text, each.node) for each in desk.kept.history] == [
        (Moment.RELEASED, "its gate let go what it had mounted under serial 4", "swarm01"),
        (Moment.EVIDENCE, "volume data: unmounted", "swarm01"),
    ]


async def test_a_gate_of_another_boot_let_nothing_go() -> None:
    """The boot that the permission was for has ended: that is the evidence, and nobody released anything."""
    volume = record(grant(1, serial=4), serial=5)
    desk = Desk(volume, 1)
    gate = GateView(NodeId("n1"), vm(1), BootId("b2"), 1.0, {V: GateVolume(V, MountState.UNMOUNTED, Serial(0))})
    proof = Evidence(EvidenceKind.RELEASED, vm(1), "volume data: it started again", "gate")
    await desk.do(replace(world(on(1), volume=volume), gates={vm(1): gate}), DropGrants(V, volume.grants, proof))

    assert [each.moment for each in desk.kept.history] == [Moment.EVIDENCE]


@pytest.mark.parametrize("drop", [True, False], ids=["of a grant", "of an idle disk"])
async def test_a_persons_word_is_in_the_history_of_each_volume_that_moves_by_it(drop: bool) -> None:
    """With who said it, why, and when: that is asked for later."""
    volume = record(*([grant(1)] if drop else []))
    desk = Desk(volume, 1)
    words = (
        Confirmation(NodeId("n2"), vm(2), BootId("b2"), "another"),
        Confirmation(NodeId("n1"), vm(1), BootId("b1"), "unplugged", "ann", 700.0),
    )
    proof = Evidence(EvidenceKind.CONFIRMED, vm(1), "volume data: it is dead", "ann")
    w = replace(world(on(1), volume=volume), confirmations=words)
    await desk.do(w, DropGrants(V, volume.grants, proof) if drop else Detach(V, DISK, vm(1), proof, "why"))

    assert [(each.moment, each.at, each.text) for each in desk.kept.history] == [
        (Moment.CONFIRMED, 700.0, "ann confirmed that VM vm1 is dead: unplugged"),
        (Moment.EVIDENCE, 1000.0, "volume data: it is dead"),
    ]


@pytest.mark.parametrize(
    ("phase", "origin", "then"),
    [(Phase.CREATING, ", a copy of volume old", Phase.READY), (Phase.DELETING, "", Phase.DELETING)],
)
def test_a_copy_says_of_which_volume_unless_it_was_only_looked_for_to_be_deleted(
    phase: Phase, origin: str, then: Phase
) -> None:
    source = Source(VolumeName("old"), DiskId("disk-old"), "u-old", "u-old")
    volume = record(phase=phase, disk=None, spec=Spec(1 << 30, source=source))

    change = created(world(volume=volume), volume, DiskId("disk-new"), 5.0)

    told = HistoryEntry(Moment.CREATED, 5.0, EPOCH, f"disk disk-new, 1073741824 bytes{origin}")
    assert change.entries == (told,)
    assert (change.after.phase, change.after.disk) == (then, "disk-new")


def test_a_disk_of_no_other_volume_is_told_without_an_origin() -> None:
    volume = record(phase=Phase.CREATING, disk=None)

    (told,) = created(world(volume=volume), volume, DISK, 5.0).entries
    assert told.text == "disk disk-data, 1073741824 bytes"

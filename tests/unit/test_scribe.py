"""What is written into a volume's record, when, and over what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.actions import DropGrants, GrantMount, Wait
from controller.memory_records import Call, Fault
from controller.model import (
    BootId,
    Epoch,
    Evidence,
    EvidenceKind,
    Grant,
    HistoryEntry,
    Intent,
    Moment,
    NodeId,
    Operation,
    Phase,
    Serial,
    TaskId,
    VolumeRecord,
    World,
)
from controller.scribe import PROGRESS, Changed
from tests.unit.desk import Desk
from tests.unit.worlds import EPOCH, V, claim, grant, on, record, vm, world

ATTACHED = Intent(Operation.ATTACH, EPOCH, vm(1), at=990.0)
NEW = GrantMount(V, TaskId("t2"), NodeId("n1"), vm(1), BootId("b1"), Serial(5), supersedes=(grant(1, "gone", 3),))


def note(text: str) -> HistoryEntry:
    return HistoryEntry(Moment.FENCED, 1.0, EPOCH, text, "swarm01")


async def test_a_settled_move_bears_the_time_at_which_the_storage_said_done() -> None:
    """The entry is written with the next write, some time later; a write after it has a time of its own."""
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)
    desk.scribe.done(V)
    desk.now = 1007.0
    first = await desk.scribe.write(world(on(1), volume=volume), volume, replace(volume, intent=None), note("fence"))
    assert isinstance(first, VolumeRecord)
    assert [(each.moment, each.at) for each in first.history] == [(Moment.ATTACHED, 1000.0), (Moment.FENCED, 1.0)]

    moved = replace(first, intent=Intent(Operation.DETACH, EPOCH, vm(1)))
    desk.records.store.volumes[V] = moved
    second = await desk.scribe.write(world(volume=moved), moved, replace(moved, intent=None))
    assert isinstance(second, VolumeRecord)
    assert (second.history[-1].moment, second.history[-1].at) == (Moment.DETACHED, 1007.0)


async def test_a_write_that_lost_the_race_leaves_the_time_for_the_next_one() -> None:
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)
    desk.scribe.done(V)
    desk.now = 1007.0
    desk.records.fail(Call.REPLACE_VOLUME, Fault.STALE)
    w = world(on(1), volume=volume)
    lost = await desk.scribe.write(w, volume, replace(volume, intent=None))
    assert isinstance(lost, Changed)
    assert "was changed or removed by another controller" in lost.why
    assert desk.board.record(V) is None

    written = await desk.scribe.write(w, desk.kept, replace(desk.kept, intent=None))
    assert isinstance(written, VolumeRecord)
    assert written.history[-1].at == 1000.0
    assert desk.board.record(V) == desk.kept == written


async def test_every_entry_is_a_line_in_the_log_with_volume_node_and_reason() -> None:
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)
    with capture_logs() as lines:
        await desk.scribe.write(world(on(1), volume=volume), volume, volume, note("It is down."), None)
        await desk.scribe.delete(desk.kept)

    assert [(each["event"], each["volume"], each.get("node"), each["why"]) for each in lines] == [
        ("volume.attached", V, "swarm01", "disk disk-data attached to VM vm1"),
        ("volume.fenced", V, "swarm01", "It is down."),
        ("volume.deleted", V, None, "it was removed by `docker volume rm`"),
    ]


@pytest.mark.parametrize(
    ("wanted", "entry", "written"),
    [
        (replace(ATTACHED, at=1000.0), None, False),
        (replace(ATTACHED, at=1000.0), note("news"), True),
        (replace(ATTACHED, epoch=Epoch(8)), None, True),
        (replace(ATTACHED, vm=vm(2)), None, True),
        (replace(ATTACHED, operation=Operation.DETACH), None, True),
    ],
)
async def test_an_intent_that_is_there_already_is_not_written_again(
    wanted: Intent, entry: HistoryEntry | None, written: bool
) -> None:
    """The same call tried again costs no write; whatever differs but its time, or is news, does."""
    volume = record(intent=ATTACHED)
    desk = Desk(volume)
    found = await desk.scribe.intend(world(volume=volume), volume, wanted, entry)

    assert isinstance(found, VolumeRecord)
    assert (found is volume) is not written
    assert found.intent == (wanted if written else ATTACHED)
    assert (Call.REPLACE_VOLUME in desk.records.calls) is written


async def test_a_grant_is_written_with_all_that_the_gate_will_be_held_to() -> None:
    """It replaces what it supersedes, keeps the others, ends a settled intent, and names the service that has it."""
    volume = record(grant(1, "gone", 3), grant(1, "t1", 4), intent=ATTACHED, service="old")
    desk = Desk(volume, 1)

    assert await desk.do(world(on(1), volume=volume, wanted=claim(1, "t2", "t1")), NEW) == PROGRESS
    new = Grant(TaskId("t2"), NodeId("n1"), vm(1), BootId("b1"), EPOCH, Serial(5), 1000.0)
    kept = desk.kept
    assert (kept.serial, kept.grants, kept.intent, kept.service) == (5, (grant(1, "t1", 4), new), None, "db")
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


async def test_a_deleted_record_is_gone_from_the_board() -> None:
    volume = record(phase=Phase.DELETING)
    desk = Desk(volume)
    desk.board.wrote(volume)
    await desk.scribe.delete(volume)

    assert desk.records.store.volumes == {}
    assert desk.board.record(V) is None

"""What is written into a volume's record, when, and over what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.model import (
    Attachment,
    DiskId,
    Epoch,
    HistoryEntry,
    Intent,
    Moment,
    Operation,
    Phase,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.reconciler.record_changes import Change
from controller.reconciler.record_writer import Changed
from controller.records.memory import Call, Fault
from tests.support.executors import Desk
from tests.support.worlds import EPOCH, V, on, record, vm, world

ATTACHED = Intent(Operation.ATTACH, EPOCH, vm(1), at=990.0)


def note(text: str) -> HistoryEntry:
    return HistoryEntry(Moment.FENCED, 1.0, EPOCH, text, "swarm01")


async def test_a_settled_move_bears_the_time_at_which_the_storage_said_done() -> None:
    """The entry is written with the next write, some time later; a write after it has a time of its own."""
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)
    desk.writer.done(V)
    desk.now = 1007.0
    first = await desk.writer.write(
        world(on(1), volume=volume), Change(volume, replace(volume, intent=None), (note("fence"),))
    )
    assert isinstance(first, VolumeRecord)
    assert [(each.moment, each.at) for each in first.history] == [(Moment.ATTACHED, 1000.0), (Moment.FENCED, 1.0)]

    moved = replace(first, intent=Intent(Operation.DETACH, EPOCH, vm(1)))
    desk.records.store.volumes[V] = moved
    second = await desk.writer.write(world(volume=moved), Change(moved, replace(moved, intent=None)))
    assert isinstance(second, VolumeRecord)
    assert (second.history[-1].moment, second.history[-1].at) == (Moment.DETACHED, 1007.0)


async def test_a_write_that_lost_the_race_leaves_the_time_for_the_next_one() -> None:
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)
    desk.writer.done(V)
    desk.now = 1007.0
    desk.records.fail(Call.REPLACE_VOLUME, Fault.STALE)
    w = world(on(1), volume=volume)
    lost = await desk.writer.write(w, Change(volume, replace(volume, intent=None)))
    assert isinstance(lost, Changed)
    assert "was changed or removed by another controller" in lost.why
    assert desk.state.record(V) is None

    written = await desk.writer.write(w, Change(desk.kept, replace(desk.kept, intent=None)))
    assert isinstance(written, VolumeRecord)
    assert written.history[-1].at == 1000.0
    assert desk.state.record(V) == desk.kept == written


async def test_every_entry_is_a_line_in_the_log_with_volume_node_and_reason() -> None:
    volume = record(intent=ATTACHED)
    desk = Desk(volume, 1)
    with capture_logs() as lines:
        await desk.writer.write(world(on(1), volume=volume), Change(volume, volume, (note("It is down."),)))
        await desk.writer.delete(desk.kept)

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
    found = await desk.writer.intend(world(volume=volume), volume, wanted, () if entry is None else (entry,))

    assert isinstance(found, VolumeRecord)
    assert (found is volume) is not written
    assert found.intent == (wanted if written else ATTACHED)
    assert (Call.REPLACE_VOLUME in desk.records.calls) is written


@pytest.mark.parametrize(
    ("operation", "there", "place"),
    [
        (Operation.ATTACH, (), vm(2)),
        (Operation.ATTACH, (on(2),), vm(1)),
        (Operation.ATTACH, (on(2, disk=DiskId("another")),), vm(2)),
        (Operation.DETACH, (), vm(1)),
    ],
    ids=["brought", "stamped", "brought beside another disk", "taken"],
)
async def test_the_place_is_where_the_disk_was_last_asked_to_be_brought(
    operation: Operation, there: tuple[Attachment, ...], place: VmId
) -> None:
    """Written before the call, so that one in doubt is known to be ours; a new stamp brings nothing."""
    volume = replace(record(), place=vm(1))
    desk, intent = Desk(volume), replace(ATTACHED, operation=operation, vm=vm(2))
    found = await desk.writer.intend(world(*there, volume=volume), volume, intent)

    assert isinstance(found, VolumeRecord)
    assert found.place == place


async def test_a_deleted_record_is_gone_from_the_state() -> None:
    volume = record(phase=Phase.DELETING)
    desk = Desk(volume)
    desk.state.wrote(volume)
    await desk.writer.delete(volume)

    assert desk.records.store.volumes == {}
    assert desk.state.record(V) is None


async def test_a_note_is_written_once_with_the_next_write_of_its_own_record() -> None:
    """Such as that the node got a label: it is not worth a write of its own in a failover."""
    volume = record()
    desk = Desk(volume)
    desk.writer.note(VolumeName("web"), note("of another volume"))
    desk.writer.note(V, note("labelled"))

    first = await desk.writer.write(world(volume=volume), Change(volume, volume, (note("fence"),)))
    assert isinstance(first, VolumeRecord)
    second = await desk.writer.write(world(volume=first), Change(first, first, (note("again"),)))

    assert isinstance(second, VolumeRecord)
    assert [each.text for each in second.history] == ["labelled", "fence", "again"]

"""What the records' text says about copies, to this controller and to one that knows none."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from controller.model import (
    DiskId,
    Every,
    FencePolicy,
    Handout,
    Phase,
    Restoring,
    Schedule,
    Snapshot,
    Snapshots,
    SnapshotState,
    Source,
    Spec,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.records.base import UnreadableRecord
from controller.records.codec import Content, Stored, decode_volume, volume_content

PLAIN = VolumeRecord(VolumeName("b"), VolumeKey("b-1"), Spec(1 << 30, "xfs", FencePolicy.HOLD), "uuid-b", Phase.READY)
SOURCE = Source(VolumeName("a"), DiskId("disk-a"), "uuid-a", "label-a")
OWNED = replace(PLAIN, spec=replace(PLAIN.spec, handout=Handout(472, 0, 0o750, ("noatime",))))
COPY = replace(PLAIN, spec=replace(PLAIN.spec, source=SOURCE))
THICK = replace(PLAIN, spec=replace(PLAIN.spec, for_driver=(("diskformat", "eagerzeroedthick"),)))
READ_ONLY = replace(PLAIN, spec=replace(PLAIN.spec, source=SOURCE, read_only=True))

KEPT = Snapshot("nightly", "0a1b2c3d", SnapshotState.THERE, 1.0, 1 << 30, DiskId("snap-b"))
SNAPPED = replace(PLAIN, snapshots=Snapshots((KEPT,), Restoring("nightly", "4e5f6a7b")))
OF_SNAPSHOT = replace(PLAIN, spec=replace(PLAIN.spec, source=SOURCE, from_snapshot="nightly"))
DAILY = replace(PLAIN, spec=replace(PLAIN.spec, schedule=Schedule(Every.DAILY, 7)), scheduled_at=1_700_000_000.5)
BROUGHT = replace(PLAIN, place=VmId("vm-1"))
REMOVED = replace(PLAIN, phase=Phase.DELETING, delete_at=1_700_000_000.0)


def stored(content: Content, facts: bytes | None = None) -> Stored:
    return Stored("c1", "reberth.volume.b-1", facts or content.facts, content.state, 0)


@pytest.mark.parametrize(
    "record", [PLAIN, COPY, OWNED, REMOVED, READ_ONLY, THICK, BROUGHT, SNAPPED, OF_SNAPSHOT, DAILY], ids=str
)
def test_a_record_is_read_back_as_it_was_written(record: VolumeRecord) -> None:
    assert decode_volume(stored(volume_content(record))) == record


def test_a_volume_that_is_no_copy_is_written_as_before_there_were_copies() -> None:
    """So that a controller of the version before still reads it, during an upgrade."""
    facts = msgspec.json.decode(volume_content(PLAIN).facts)

    assert facts == {
        "schema": 1,
        "name": "b",
        "key": "b-1",
        "spec": {"size_bytes": 1 << 30, "fstype": "xfs", "policy": "hold"},
        "fs_uuid": "uuid-b",
    }


def test_the_source_is_beside_what_an_older_controller_knows_so_that_it_refuses_the_record() -> None:
    """Within ``spec``, whose unknown fields were passed over, a copy would have been made as an empty volume."""
    facts = msgspec.json.decode(volume_content(COPY).facts)

    assert "source" not in facts["spec"]
    with pytest.raises(UnreadableRecord):
        decode_volume(stored(volume_content(COPY), msgspec.json.encode(facts | {"unknown": 1})))


@pytest.mark.parametrize("state", [b'{"schema":1,"phase":"\xff"}', b'{"schema":1,"x":' + b"[" * 5000, bytes(100), b""])
def test_whatever_bytes_a_record_has_it_alone_is_unreadable(state: bytes) -> None:
    """Any other error would end the listing, so that no volume could be decided about."""
    with pytest.raises(UnreadableRecord):
        decode_volume(stored(replace(volume_content(COPY), state=state)))


def test_the_time_of_a_removal_is_written_only_where_it_is_set() -> None:
    """A controller that knows no grace goes on reading all others, and must not read, and delete, this one."""
    assert b"delete_at" not in volume_content(PLAIN).state
    assert b'"delete_at":1700000000.0' in volume_content(REMOVED).state


def test_a_schedule_is_written_only_where_there_is_one_and_beside_what_never_changes() -> None:
    """A controller that knows none must not read the record: it would make no snapshots, and forget the schedule."""
    assert b"schedule" not in volume_content(PLAIN).state
    assert volume_content(DAILY).facts == volume_content(PLAIN).facts
    state = msgspec.json.decode(volume_content(DAILY).state)
    assert (state["schedule"], state["scheduled_at"]) == ({"every": "daily", "keep": 7}, 1_700_000_000.5)


def test_snapshots_are_written_only_where_there_are_some() -> None:
    """A controller that knows none refuses a record with some: it would write it back without them."""
    assert b"snapshot" not in volume_content(PLAIN).state + volume_content(COPY).facts
    state = msgspec.json.decode(volume_content(SNAPPED).state)
    assert [each["name"] for each in state["snapshots"]["each"]] == ["nightly"]
    with pytest.raises(UnreadableRecord):
        decode_volume(stored(replace(volume_content(PLAIN), state=msgspec.json.encode(state | {"unknown": 1}))))

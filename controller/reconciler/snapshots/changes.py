"""What is written about snapshots: each a change of the newest record; None where nothing is to be written. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from controller.model import (
    DiskId,
    Epoch,
    HistoryEntry,
    Moment,
    Phase,
    Restoring,
    Snapshot,
    Snapshots,
    SnapshotState,
    VolumeRecord,
)
from controller.reconciler.snapshots.steps import not_replaceable

Change = Callable[[VolumeRecord], VolumeRecord | None]


def now_there(wanted: Snapshot, disk: DiskId, at: float) -> Change:
    """One that somebody has deleted meanwhile stays deleted: it is LEAVING, and its disk goes."""
    return lambda record: _settled(record, wanted, replace(wanted, state=SnapshotState.THERE, disk=disk, at=at))


def now_failed(wanted: Snapshot, why: str) -> Change:
    return lambda record: _settled(record, wanted, replace(wanted, state=SnapshotState.FAILED, why=why))


def _settled(record: VolumeRecord, wanted: Snapshot, after: Snapshot) -> VolumeRecord | None:
    if wanted not in record.snapshots.each:
        return None
    each = tuple(after if one == wanted else one for one in record.snapshots.each)
    return with_each(record, each)


def all_leaving(record: VolumeRecord) -> VolumeRecord | None:
    if record.phase is not Phase.DELETING:
        return None
    ended = without_restore(record)
    return with_each(ended, tuple(replace(each, state=SnapshotState.LEAVING) for each in ended.snapshots.each))


def without_restore(record: VolumeRecord) -> VolumeRecord:
    """What was made for it, whole or half, is to go."""
    restoring = record.snapshots.restoring
    if restoring is None:
        return record
    source = record.snapshots.named(restoring.snapshot)
    name, size = f"restore-{restoring.token}", record.spec.size_bytes if source is None else source.size_bytes
    made = Snapshot(name, restoring.token, SnapshotState.LEAVING, 0.0, size, own=True)
    return replace(record, snapshots=Snapshots((*record.snapshots.each, made)))


def gone(left: Snapshot) -> Change:
    def without(record: VolumeRecord) -> VolumeRecord | None:
        each = tuple(one for one in record.snapshots.each if one.token != left.token)
        return None if len(each) == len(record.snapshots.each) else with_each(record, each)

    return without


def with_each(record: VolumeRecord, each: tuple[Snapshot, ...]) -> VolumeRecord:
    return replace(record, snapshots=replace(record.snapshots, each=each))


def exchanged(restoring: Restoring, before: DiskId | None, disk: DiskId, at: float, epoch: Epoch) -> Change:
    """
    The volume has the restored disk from now on, in one write; the one that it had is kept as a snapshot.

    Both bear its label, and a file system of the same UUID: what a mount checks is the same for both. Nothing where
    anything else has become of the record than was so when the disk was made.
    """

    def swapped(record: VolumeRecord) -> VolumeRecord | None:
        same = record.snapshots.restoring == restoring and record.disk == before and before is not None
        if not same or record.phase is not Phase.READY or not_replaceable(record) is not None:
            return None
        kept = Snapshot(
            _kept_name(record, at), restoring.token, SnapshotState.THERE, at, record.spec.size_bytes, before
        )
        text = f"restored from snapshot {restoring.snapshot}: disk {disk}; the one before is snapshot {kept.name}"
        return replace(
            record,
            disk=disk,
            place=None,
            snapshots=Snapshots((*record.snapshots.each, kept)),
            history=(*record.history, HistoryEntry(Moment.CREATED, at, epoch, text)),
        )

    return swapped


def _kept_name(record: VolumeRecord, at: float) -> str:
    name = f"before-restore-{datetime.fromtimestamp(at, UTC):%Y%m%d-%H%M%S}"
    return name if record.snapshots.named(name) is None else f"{name}-{len(record.snapshots.each)}"

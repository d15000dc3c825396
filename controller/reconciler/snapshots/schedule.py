"""
What a volume's schedule asks for, by its record and the time: pure.

The order and its time are one write, so that there is one order in a period, whoever acts. The times are those of most
nodes' clocks; where the stored one is more than a period ahead these clocks were wrong then, and a period begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from controller.model import Every, Phase, Schedule, Snapshot, SnapshotState, VolumeName, VolumeRecord
from controller.reconciler.snapshots.changes import with_each

MOST = 32  # snapshots of one volume: they stand in its record
PERIODS = {Every.HOURLY: 3600.0, Every.DAILY: 86_400.0, Every.WEEKLY: 7 * 86_400.0}
SHORTEST_AGAIN, LONGEST_AGAIN = 600.0, 3600.0  # seconds before one that failed is ordered again
LONGEST_SLACK = 3600.0  # seconds, or a quarter of the period: how much later than its time is told


def due_at(record: VolumeRecord) -> float | None:
    """When the next one is to be ordered; None: it has no schedule."""
    schedule = record.spec.schedule
    if schedule is None:
        return None
    return record.scheduled_at + (_again(schedule) if failed(record) else PERIODS[schedule.every])


def overdue_at(record: VolumeRecord) -> float | None:
    """From when on people are told that it is not there."""
    due, schedule = due_at(record), record.spec.schedule
    return None if due is None or schedule is None else due + min(PERIODS[schedule.every] / 4, LONGEST_SLACK)


def failed(record: VolumeRecord) -> Snapshot | None:
    """The newest that the schedule ordered, where it has failed."""
    newest = next((each for each in reversed(record.snapshots.each) if each.scheduled), None)
    return newest if newest is not None and newest.state is SnapshotState.FAILED else None


def ahead(record: VolumeRecord, now: float) -> bool:
    """Whether the stored time is one that can not have been."""
    schedule = record.spec.schedule
    return schedule is not None and record.scheduled_at > now + PERIODS[schedule.every]


def hindrance(record: VolumeRecord) -> str | None:
    """Why none can be ordered now, as far as its record tells."""
    if record.snapshots.restoring is not None:
        return f"the volume is being restored from snapshot {record.snapshots.restoring.snapshot}"
    if record.snapshots.wanted:
        return "a snapshot of it is being made"
    if any(each.scheduled and each.state is SnapshotState.LEAVING for each in record.snapshots.each):
        return "an older one is not deleted yet"
    if len(record.snapshots.each) >= MOST:
        return f"it has {MOST} snapshots, the most that its record holds: delete one"
    return None


def keepable(record: VolumeRecord) -> bool:
    """Whether there is something on it that a snapshot could keep."""
    return record.phase is Phase.READY and record.disk is not None and record.formatted


def begun(record: VolumeRecord, now: float) -> VolumeRecord | None:
    """One that cannot be ordered since the schedule began is late from then on."""
    due, schedule = due_at(record), record.spec.schedule
    if due is None or schedule is None or record.scheduled_at or not keepable(record):
        return None
    return replace(record, scheduled_at=now - PERIODS[schedule.every])


def with_schedule(record: VolumeRecord, schedule: Schedule | None) -> VolumeRecord | None:
    """What was made by another one stays as it is, until the new one has made its first."""
    if record.phase is Phase.DELETING or record.spec.schedule == schedule:
        return None
    return replace(record, spec=replace(record.spec, schedule=schedule))


def ordered(record: VolumeRecord, now: float, wall: float, token: str) -> VolumeRecord | None:
    """With the order for the next one, if that is due by this record."""
    due, schedule = due_at(record), record.spec.schedule
    if due is None or schedule is None or not keepable(record):
        return None
    if ahead(record, now):
        return replace(record, scheduled_at=now)
    if now < due or hindrance(record) is not None:
        return None
    wanted = Snapshot(
        _name(record, schedule, wall), token, SnapshotState.WANTED, wall, record.spec.size_bytes, scheduled=True
    )
    kept = (_leaving(each) if each == failed(record) else each for each in record.snapshots.each)
    return replace(with_each(record, (*kept, wanted)), scheduled_at=now)


def there(record: VolumeRecord) -> tuple[Snapshot, ...]:
    """Those that a schedule made, the oldest first."""
    return tuple(each for each in record.snapshots.each if each.scheduled and each.state is SnapshotState.THERE)


def thinned(record: VolumeRecord, known: Mapping[VolumeName, VolumeRecord]) -> VolumeRecord:
    """
    Without the oldest of its own that are too many; never one that a person made, or that is being read.

    Only where one is written to be there: a number that was mistyped, or a schedule that makes none, deletes none.
    """
    if record.spec.schedule is None or record.phase is not Phase.READY:
        return record
    own = there(record)
    oldest = own[: max(0, len(own) - record.spec.schedule.keep)]
    over = {each.token for each in oldest if not _read(record, each, known)}
    return with_each(record, tuple(_leaving(each) if each.token in over else each for each in record.snapshots.each))


def _read(record: VolumeRecord, snapshot: Snapshot, known: Mapping[VolumeName, VolumeRecord]) -> bool:
    """Whether the volume is restored from it, or another one is made as its copy."""
    restoring = record.snapshots.restoring
    restored = restoring is not None and restoring.snapshot == snapshot.name
    return restored or any(each.copying is not None and each.copying == snapshot.disk for each in known.values())


def _leaving(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, state=SnapshotState.LEAVING)


def _again(schedule: Schedule) -> float:
    return min(max(PERIODS[schedule.every] / 24, SHORTEST_AGAIN), LONGEST_AGAIN)


def _name(record: VolumeRecord, schedule: Schedule, wall: float) -> str:
    name = f"{schedule.every.value}-{datetime.fromtimestamp(wall, UTC):%Y%m%d-%H%M%S}"
    return name if record.snapshots.named(name) is None else f"{name}-{len(record.snapshots.each)}"

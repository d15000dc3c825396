"""What is to be done next about snapshots, by what the records and the storage's list say. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.model import (
    DiskId,
    Phase,
    Restoring,
    Snapshot,
    SnapshotState,
    VolumeName,
    VolumeRecord,
    World,
)

PATIENCE = 300.0  # seconds: a snapshot that comes later is not what was ordered


@dataclass(frozen=True, slots=True)
class Make:
    volume: VolumeName
    snapshot: Snapshot
    disk: DiskId


@dataclass(frozen=True, slots=True)
class GiveUp:
    volume: VolumeName
    snapshot: Snapshot
    why: str


@dataclass(frozen=True, slots=True)
class Drop:
    volume: VolumeName
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class DropAll:
    """The volume was removed, and nobody can take that back any more."""

    volume: VolumeName


@dataclass(frozen=True, slots=True)
class Restore:
    volume: VolumeName
    restoring: Restoring
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Await:
    """``why`` nothing is done yet."""

    volume: VolumeName
    name: str
    why: str


Step = Make | GiveUp | Drop | DropAll | Restore | Await


def next_steps(world: World, now: float, *, in_use: bool) -> tuple[Step, ...]:
    """``in_use``: whether the driver copies a disk that a VM has. ``now``: of the wall clock, as in the records."""
    if world.paused is not None or world.attachments is None or world.claims is None:
        return ()
    concerned = filter(lambda each: each.snapshots, (world.volumes or {}).values())
    return tuple(step for each in concerned for step in _steps(world, each, now, in_use))


def _steps(world: World, record: VolumeRecord, now: float, in_use: bool) -> Iterator[Step]:
    if any(each.volume == record.name for each in world.paused_parts):
        return
    if record.phase is Phase.DELETING:
        if record.name not in world.kept:
            yield from _all_leave(record)
        return
    for each in record.snapshots.each:
        if each.state is SnapshotState.LEAVING:
            yield Drop(record.name, each)
        elif each.state is SnapshotState.WANTED:
            yield _wanted(world, record, each, now, in_use=in_use)
    if record.snapshots.restoring is not None:
        yield _restore(world, record, record.snapshots.restoring)


def _all_leave(record: VolumeRecord) -> Iterator[Step]:
    leaving = [each for each in record.snapshots.each if each.state is SnapshotState.LEAVING]
    if len(leaving) < len(record.snapshots.each) or record.snapshots.restoring is not None:
        yield DropAll(record.name)
    yield from (Drop(record.name, each) for each in leaving)


def _wanted(world: World, record: VolumeRecord, wanted: Snapshot, now: float, *, in_use: bool) -> Step:
    if record.disk is None:
        return GiveUp(record.name, wanted, f"volume {record.name} has no disk")
    if now > wanted.at + PATIENCE:
        return GiveUp(record.name, wanted, "")
    attached, service = _attached(world, record), claimed_by(world, record.name)
    if attached and in_use:
        return Make(record.name, wanted, record.disk)
    if wanted.scheduled:
        return _between(record, wanted, service)
    if service and not in_use:
        return GiveUp(record.name, wanted, only_at_rest(record.name, service))
    why = _not_free(world, record, attached=attached, claimed=bool(service))
    return Make(record.name, wanted, record.disk) if why is None else Await(record.name, wanted.name, why)


def _between(record: VolumeRecord, wanted: Snapshot, service: str) -> Step:
    """One by schedule is made of a disk in use alone: a copy at rest would hold the disk, and a task wait for that."""
    if service:
        return Await(record.name, wanted.name, f"the disk of volume {record.name} is on its way to a node")
    return GiveUp(record.name, wanted, f"no service uses volume {record.name} any more")


def _attached(world: World, record: VolumeRecord) -> bool:
    return any(each.disk == record.disk for each in world.attachments or ())


def claimed_by(world: World | None, volume: VolumeName) -> str:
    """The service with a task that wants it; empty where there is none."""
    claim = None if world is None else (world.claims or {}).get(volume)
    return claim.tasks[0].service if claim is not None and claim.tasks else ""


def only_at_rest(volume: VolumeName, service: str) -> str:
    return (
        f"service {service} uses volume {volume}, and this storage copies a disk only while it is attached nowhere: "
        f"`docker service scale {service}=0`, and say it again"
    )


def _not_free(world: World, record: VolumeRecord, *, attached: bool, claimed: bool) -> str | None:
    """Why a disk that is copied at rest cannot be yet. It would be held meanwhile: a task that waits goes first."""
    if claimed:
        return f"the disk of volume {record.name} is on its way to a node"
    if attached:
        return f"the disk of volume {record.name} is being detached"
    if world.unlisted:
        return f"nobody knows where the disk of volume {record.name} is: {world.unlisted[0]}"
    return None


def _restore(world: World, record: VolumeRecord, wanted: Restoring) -> Step:
    snapshot = record.snapshots.named(wanted.snapshot)
    if snapshot is None or snapshot.state is not SnapshotState.THERE:
        return Await(
            record.name, restore_of(wanted.snapshot), f"there is no snapshot {wanted.snapshot} any more: give it up"
        )
    why = not_replaceable(record)
    if why is None and _attached(world, record):
        why = f"the disk of volume {record.name} is being detached"
    if why is None and world.unlisted:
        why = f"nobody knows where the disk of volume {record.name} is: {world.unlisted[0]}"
    return Restore(record.name, wanted, snapshot) if why is None else Await(record.name, restore_of(snapshot.name), why)


def restore_of(snapshot: str) -> str:
    """By which the restore is known beside the snapshot itself."""
    return f"restore of {snapshot}"


def not_replaceable(record: VolumeRecord) -> str | None:
    """Why its record must not name another disk now: somebody may have this one, or a call about it may still come."""
    if record.grants:
        return f"a task of volume {record.name} may still have it"
    if record.intent is not None:
        return f"the storage was asked to {record.intent.operation.value} the disk of volume {record.name}"
    return None

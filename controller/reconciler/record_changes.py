"""
The actions that change only a volume's record: what each writes. Pure.

A change rests on the record that the decision rests on; `RecordWriter` writes it by compare-and-set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from controller.model import DiskId, Grant, HistoryEntry, Moment, Phase, Serial, VolumeName, VolumeRecord, World
from controller.planner.actions import Alarm, Converged, DropGrants, GrantMount, Refuse, Revoke, Wait
from controller.reconciler.history import entry, evidence_entries, settled

RecordAction = Revoke | DropGrants | GrantMount | Wait | Refuse | Alarm | Converged


@dataclass(frozen=True, slots=True)
class Change:
    """``after`` over ``before``, with what the history gets."""

    before: VolumeRecord
    after: VolumeRecord
    entries: tuple[HistoryEntry, ...] = ()


def change_of(world: World, action: RecordAction, at: float) -> Change:
    """What an action writes, at this second of the wall clock."""
    record = record_of(world, action.volume)
    match action:
        case Revoke():
            return _revoke(world, record, action, at)
        case DropGrants():
            return _drop(world, record, action, at)
        case GrantMount():
            return _grant(world, record, action, at)
        case Wait() | Refuse() | Alarm() | Converged():
            return Change(record, replace(record, intent=None))  # it is settled, and no other write is going to say so
        case _ as never:
            assert_never(never)


def created(world: World, record: VolumeRecord, disk: DiskId, at: float) -> Change:
    """The disk is there, new or found again."""
    source = None if record.phase is Phase.DELETING else record.spec.source
    origin = "" if source is None else f", a copy of volume {source.volume}"
    told = entry(world, Moment.CREATED, f"disk {disk}, {record.spec.size_bytes} bytes{origin}", at)
    phase = Phase.READY if record.phase is Phase.CREATING else record.phase
    return Change(record, replace(record, disk=disk, phase=phase, intent=None), (told,))


def record_of(world: World, volume: VolumeName) -> VolumeRecord:
    return (world.volumes or {})[volume]


def _revoke(world: World, record: VolumeRecord, action: Revoke, at: float) -> Change:
    holder = record.grants[-1].vm if record.grants else None
    told = entry(world, Moment.REVOKED, action.why, at, holder)
    return Change(record, replace(record, serial=Serial(record.serial + 1)), (told,))


def _drop(world: World, record: VolumeRecord, action: DropGrants, at: float) -> Change:
    kept = tuple(grant for grant in record.grants if grant not in action.grants)
    # While grants remain, an intent to detach may be what their evidence rests on.
    intent = record.intent if kept or not settled(record, world) else None
    told = evidence_entries(record, action.evidence, world, at)
    return Change(record, replace(record, grants=kept, intent=intent), told)


def _grant(world: World, record: VolumeRecord, action: GrantMount, at: float) -> Change:
    grant = Grant(action.task, action.node, action.vm, action.boot, world.epoch, action.serial, at)
    kept = tuple(each for each in record.grants if each not in action.supersedes)
    after = replace(
        record,
        serial=action.serial,
        grants=(*kept, grant),
        intent=None if settled(record, world) else record.intent,
        service=_service(world, action) or record.service,
        place=action.vm,
    )
    told = entry(world, Moment.GRANTED, f"task {action.task}, serial {action.serial}", at, action.vm)
    return Change(record, after, (told,))


def _service(world: World, action: GrantMount) -> str:
    claim = (world.claims or {}).get(action.volume)
    return next((task.service for task in (claim.tasks if claim is not None else ()) if task.id == action.task), "")

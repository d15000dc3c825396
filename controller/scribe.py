"""
The actions that change only a volume's record, and the writing of records itself.

Every write is a compare-and-set on the record that the decision rests on; `Changed` means that somebody wrote since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from controller.actions import DropGrants, GrantMount, Revoke
from controller.board import Board
from controller.journal import evidence_entry, hostname, placed_entry, settled
from controller.model import (
    Grant,
    HistoryEntry,
    Intent,
    Moment,
    Serial,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.records import Records, Stale

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """Something may have changed: look again at once."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What we decided on was no longer so. Nothing is wrong: look again at once."""

    why: str


@dataclass(frozen=True, slots=True)
class Setback:
    """It did not succeed, for sure or perhaps: look again, and try the same again only after a while."""

    why: str
    retry_after: float | None = None


Result = Progress | Changed | Setback
PROGRESS = Progress()


class Scribe:
    """``wall``: seconds since the epoch, for the history."""

    def __init__(self, board: Board, records: Records, wall: Callable[[], float]) -> None:
        self._board = board
        self._records = records
        self.wall = wall
        self._done_at: dict[VolumeName, float] = {}

    def done(self, volume: VolumeName) -> None:
        """The storage said Done just now; the entry with this time is written when the intent is replaced."""
        self._done_at[volume] = self.wall()

    async def write(
        self, world: World, record: VolumeRecord, change: VolumeRecord, *entries: HistoryEntry | None
    ) -> VolumeRecord | Changed:
        """Write ``change`` over ``record``, after the entry that the record's settled intent deserves."""
        at = self._done_at.get(record.name) or self.wall()
        news = tuple(each for each in (placed_entry(record, world, at), *entries) if each is not None)
        wanted = replace(change, history=(*record.history, *news))
        written = await self._records.replace_volume(wanted)
        if isinstance(written, Stale):
            return Changed(written.why)
        self._done_at.pop(record.name, None)
        self._board.wrote(written)
        for entry in news:
            _log.info(f"volume.{entry.moment.value}", volume=record.name, node=entry.node, why=entry.text)
        return written

    async def intend(
        self, world: World, record: VolumeRecord, intent: Intent, entry: HistoryEntry | None = None
    ) -> VolumeRecord | Changed:
        there = record.intent
        if entry is None and there is not None and replace(there, at=intent.at) == intent:
            return record  # the same, tried before: it is in the record already
        return await self.write(world, record, replace(record, intent=intent), entry)

    async def forget_intent(self, world: World, before: VolumeRecord, record: VolumeRecord) -> None:
        """It was surely not done. What was in doubt before still is, so that intent comes back."""
        intent = None if settled(before, world) else before.intent
        written = await self._records.replace_volume(replace(record, intent=intent))
        if not isinstance(written, Stale):
            self._board.wrote(written)

    async def delete(self, record: VolumeRecord) -> None:
        await self._records.delete_volume(record)
        self._board.deleted(record.name)
        _log.info("volume.deleted", volume=record.name, why="it was removed by `docker volume rm`")

    def entry(self, world: World, moment: Moment, text: str, vm: VmId | None = None) -> HistoryEntry:
        return HistoryEntry(moment, self.wall(), world.epoch, text, hostname(world, vm))

    async def revoke(self, world: World, action: Revoke) -> Result:
        record = record_of(world, action.volume)
        entry = self.entry(world, Moment.REVOKED, action.why, record.grants[-1].vm if record.grants else None)
        change = replace(record, serial=Serial(record.serial + 1))
        return result(await self.write(world, record, change, entry))

    async def drop(self, world: World, action: DropGrants) -> Result:
        record = record_of(world, action.volume)
        kept = tuple(grant for grant in record.grants if grant not in action.grants)
        # While grants remain, an intent to detach may be what their evidence rests on.
        intent = record.intent if kept or not settled(record, world) else None
        node = hostname(world, action.evidence.vm)
        entry = evidence_entry(record, action.evidence, world.epoch, node, self.wall())
        return result(await self.write(world, record, replace(record, grants=kept, intent=intent), entry))

    async def grant(self, world: World, action: GrantMount) -> Result:
        record = record_of(world, action.volume)
        grant = Grant(action.task, action.node, action.vm, action.boot, world.epoch, action.serial, self.wall())
        kept = tuple(each for each in record.grants if each not in action.supersedes)
        intent = None if settled(record, world) else record.intent
        service = _service(world, action) or record.service
        change = replace(record, serial=action.serial, grants=(*kept, grant), intent=intent, service=service)
        entry = self.entry(world, Moment.GRANTED, f"task {action.task}, serial {action.serial}", action.vm)
        return result(await self.write(world, record, change, entry))

    async def tidy(self, world: World, volume: VolumeName) -> Result:
        """Remove an intent that is settled, when nothing else is going to be written."""
        record = record_of(world, volume)
        return result(await self.write(world, record, replace(record, intent=None)))


def _service(world: World, action: GrantMount) -> str:
    claim = (world.claims or {}).get(action.volume)
    return next((task.service for task in (claim.tasks if claim is not None else ()) if task.id == action.task), "")


def record_of(world: World, volume: VolumeName) -> VolumeRecord:
    return (world.volumes or {})[volume]


def result(written: VolumeRecord | Changed) -> Result:
    return written if isinstance(written, Changed) else PROGRESS

"""
Writes volume records, and nothing else: what is written is decided elsewhere.

Every write is a compare-and-set on the record that the decision rests on; `Changed` means that somebody wrote since.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from controller.model import Grant, HistoryEntry, Intent, Operation, VmId, VolumeName, VolumeRecord, World
from controller.reconciler.history import placed_entry, settled
from controller.reconciler.record_changes import Change
from controller.reconciler.state import LoopState
from controller.records.base import Records, Stale

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
    """
    It did not succeed, for sure or perhaps: look again, and try the same again only after a while. With a ``cure`` it
    will not succeed before a person did that. ``unanswered``: the call got no answer.
    """

    why: str
    retry_after: float | None = None
    cure: str | None = None
    unanswered: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """A bug of ours met one volume, or a group that went in one call. It may have been done or not."""

    why: str


Result = Progress | Changed | Setback | Broken
PROGRESS = Progress()


class RecordWriter:
    def __init__(self, state: LoopState, records: Records) -> None:
        self._state = state
        self._records = records
        self.wall = state.wall
        self._done_at: dict[VolumeName, float] = {}
        self._notes: dict[VolumeName, HistoryEntry] = {}

    def done(self, volume: VolumeName) -> None:
        """The storage said Done just now; the entry with this time is written when the intent is replaced."""
        self._done_at[volume] = self.wall()

    def note(self, volume: VolumeName, entry: HistoryEntry) -> None:
        """For the history, with the next write of this record: not worth one of its own in a failover."""
        self._notes[volume] = entry

    async def write(self, world: World, change: Change) -> VolumeRecord | Changed:
        """The change, after the entry that the record's settled intent deserves."""
        record = change.before
        at = self._done_at.get(record.name) or self.wall()
        note = self._notes.pop(record.name, None)
        news = tuple(each for each in (note, placed_entry(record, world, at), *change.entries) if each is not None)
        wanted = replace(change.after, history=(*record.history, *news))
        written = await self._records.replace_volume(wanted)
        if isinstance(written, Stale):
            return Changed(written.why)
        self._done_at.pop(record.name, None)
        self._state.wrote(written)
        for entry in news:
            _log.info(f"volume.{entry.moment.value}", volume=record.name, node=entry.node, why=entry.text)
        return written

    async def intend(
        self,
        world: World,
        record: VolumeRecord,
        intent: Intent,
        entries: tuple[HistoryEntry, ...] = (),
        drops: tuple[Grant, ...] = (),
    ) -> VolumeRecord | Changed:
        """Write what is to be asked of the storage, before it is asked; the same write drops grants."""
        there = record.intent
        if not entries and not drops and there is not None and replace(there, at=intent.at) == intent:
            return record  # the same, tried before: it is in the record already
        kept = tuple(each for each in record.grants if each not in drops)
        after = replace(record, grants=kept, intent=intent, place=_place_after(world, record, intent))
        return await self.write(world, Change(record, after, entries))

    async def mark_doubt(self, world: World, record: VolumeRecord) -> None:
        """The call that this intent is about got no answer. What cannot be noted now is remembered in `LoopState`."""
        if record.intent is not None:
            self._state.doubt(record.name, record.intent.epoch)
            marked = replace(record, intent=replace(record.intent, in_doubt=True))
            await self.write(world, Change(record, marked))

    async def restore_intent(self, world: World, before: VolumeRecord, record: VolumeRecord) -> None:
        """It was surely not done. What was in doubt before still is, so that intent comes back."""
        intent = None if settled(before, world) else before.intent
        written = await self._records.replace_volume(replace(record, intent=intent))
        if not isinstance(written, Stale):
            self._state.wrote(written)

    async def delete(self, record: VolumeRecord) -> None:
        await self._records.delete_volume(record)
        self._state.deleted(record.name)
        _log.info("volume.deleted", volume=record.name, why="it was removed by `docker volume rm`")


def _place_after(world: World, record: VolumeRecord, intent: Intent) -> VmId | None:
    """A disk that is there already, and only gets a new stamp, may have been brought by somebody else."""
    there = any(each.disk == record.disk for each in world.attachments or ())
    return intent.vm if intent.operation is Operation.ATTACH and not there else record.place


def result(written: VolumeRecord | Changed) -> Result:
    return written if isinstance(written, Changed) else PROGRESS

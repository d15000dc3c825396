"""
The storage's part of snapshots, and what is written after it.

What is to be done stands in the record before the storage is asked, and each step may be repeated: a snapshot's disk
has a key of its own, under which a half copy is never found and a whole one is found again. So none of it needs an
intent, and a call that comes late does no harm (ARCHITECTURE.md#the-laws, 3 and 7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog

from controller.model import DiskId, Epoch, Snapshot, Spec, VolumeKey, VolumeName, VolumeRecord
from controller.reconciler.snapshots.changes import Change, all_leaving, exchanged, gone, now_failed, now_there
from controller.reconciler.snapshots.schedule import thinned
from controller.reconciler.snapshots.steps import PATIENCE, Await, Drop, DropAll, GiveUp, Make, Restore, Step
from controller.reconciler.state import LoopState
from controller.reconciler.storage_actions import Deadlines, NotAnswered, ask_storage
from controller.records.base import Acting, Records
from controller.records.rewriting import Contended, rewrite
from controller.volumes.naming import restored_key, snapshot_key
from drivers.base import (
    Created,
    CreateOutcome,
    Done,
    DriverError,
    Grower,
    Outcome,
    Refused,
    StorageDriver,
    Unreachable,
)
from drivers.snapshots import Snapshotter

_Created = CreateOutcome | NotAnswered

_log = structlog.get_logger(__name__)


class SnapshotActs:
    """Each says why it is not done yet, or None. All may raise RecordsUnavailable."""

    def __init__(
        self, driver: StorageDriver, state: LoopState, records: Records, acting: Acting, deadlines: Deadlines
    ) -> None:
        self._driver = driver
        self._state = state
        self._records = records
        self._acting = acting
        self._deadlines = deadlines

    async def carry_out(self, step: Step, epoch: Epoch) -> str | None:
        match step:
            case DropAll():
                return await self._write(step.volume, all_leaving)
            case GiveUp():
                return await self._write(step.volume, now_failed(step.snapshot, self._why(step)))
            case Await():
                return step.why
            case _:
                record = self._state.record(step.volume)
                return None if record is None else await self._ask_for(record, step, epoch)

    async def _ask_for(self, record: VolumeRecord, step: Make | Drop | Restore, epoch: Epoch) -> str | None:
        match step:
            case Make():
                return await self._make(record, step, epoch)
            case Drop():
                return await self._drop(record, step.snapshot, epoch)
            case Restore():
                return await self._restore(record, step, epoch)

    def _why(self, step: GiveUp) -> str:
        tried = self._state.snapshots.get((step.volume, step.snapshot.name), "")
        late = f"it was not made within {PATIENCE / 60:.0f} minutes"
        return step.why or (f"{late}: {tried}" if tried else late)

    async def _make(self, record: VolumeRecord, step: Make, epoch: Epoch) -> str | None:
        wanted, at = step.snapshot, self._state.wall()
        key, spec = snapshot_key(record.key, record.fs_uuid, wanted.token), _plain(record, wanted.size_bytes)
        copy = self._copying(at_rest=not wanted.scheduled)
        outcome = await self._create(epoch, lambda: copy(key, spec, step.disk), self._deadlines.clone)
        if isinstance(outcome, Created):
            _log.info("snapshot.made", volume=step.volume, snapshot=wanted.name, why=f"disk {outcome.disk}")
            return await self._write(step.volume, now_there(wanted, outcome.disk, at), thin=wanted.scheduled)
        if isinstance(outcome, Refused) and (outcome.cure is not None or outcome.retry_after is None):
            why = f"{outcome.why} {outcome.cure or ''}".rstrip()
            return await self._write(step.volume, now_failed(wanted, why))
        return outcome.why

    def _copying(self, *, at_rest: bool) -> Callable[[VolumeKey, Spec, DiskId], Awaitable[CreateOutcome]]:
        """A copy at rest holds its disk: nothing that only a schedule orders may keep a task waiting."""
        if isinstance(self._driver, Snapshotter):
            return partial(self._driver.snapshot, at_rest=at_rest)
        return self._driver.clone

    async def _drop(self, record: VolumeRecord, leaving: Snapshot, epoch: Epoch) -> str | None:
        disk = leaving.disk if leaving.disk is not None else await self._named(record, leaving, epoch)
        if not isinstance(disk, str):
            return disk.why
        outcome = await ask_storage(
            self._acting,
            epoch,
            lambda: self._driver.delete(DiskId(disk)),
            lambda it: isinstance(it, Outcome),
            self._deadlines.call,
        )
        if not isinstance(outcome, Done):
            return outcome.why
        _log.info("snapshot.deleted", volume=record.name, snapshot=leaving.name, why=_deleted(leaving))
        return await self._write(record.name, gone(leaving))

    async def _named(self, record: VolumeRecord, leaving: Snapshot, epoch: Epoch) -> DiskId | Refused | NotAnswered:
        """
        Of one that was never said to be there. Its disk's name follows from its key: so one is made where there is
        none, and what is left of a half copy goes with it.
        """
        key_of = restored_key if leaving.own else snapshot_key
        key = key_of(record.key, record.fs_uuid, leaving.token)
        found = await self._create(epoch, lambda: self._found(key, record, leaving), self._deadlines.call)
        return found.disk if isinstance(found, Created) else found

    async def _found(self, key: VolumeKey, record: VolumeRecord, leaving: Snapshot) -> CreateOutcome:
        """What a restore made may have grown to the volume's size."""
        found = await self._driver.create(key, _plain(record, leaving.size_bytes))
        if not isinstance(found, Refused) or not leaving.own:
            return found
        return await self._driver.create(key, _plain(record, record.spec.size_bytes))

    async def _restore(self, record: VolumeRecord, step: Restore, epoch: Epoch) -> str | None:
        """The new disk first, as large as the volume is by now; then the record."""
        source, size = step.snapshot.disk, record.spec.size_bytes
        key, spec = restored_key(record.key, record.fs_uuid, step.restoring.token), _plain(record, size)
        made = await self._create(epoch, lambda: self._restored(key, spec, step.snapshot), self._deadlines.clone)
        if not isinstance(made, Created):
            return made.why
        if source is None or record.disk is None:
            return None
        _log.info("volume.restored", volume=step.volume, snapshot=step.snapshot.name, why=f"disk {made.disk}")
        change = exchanged(step.restoring, record.disk, made.disk, self._state.wall(), epoch)
        return await self._write(step.volume, change)

    async def _restored(self, key: VolumeKey, spec: Spec, snapshot: Snapshot) -> CreateOutcome:
        """A disk that was made before, and has grown, is found by the volume's size alone."""
        source = snapshot.disk or DiskId("")
        if spec.size_bytes <= snapshot.size_bytes:
            return await self._driver.clone(key, spec, source)
        try:
            there = key in await self._driver.keys(key)
        except DriverError as error:
            return Unreachable(str(error))
        if there:
            found = await self._driver.create(key, spec)
            if isinstance(found, Created):
                return found
        made = await self._driver.clone(key, replace(spec, size_bytes=snapshot.size_bytes), source)
        if not isinstance(made, Created):
            return made
        if not isinstance(self._driver, Grower):
            return Refused("the volume has grown since, and this storage driver cannot make disks larger")
        grown = await self._driver.grow(made.disk, spec.size_bytes)
        return made if isinstance(grown, Done) else grown

    async def _create(self, epoch: Epoch, call: Callable[[], Awaitable[CreateOutcome]], seconds: float) -> _Created:
        return await ask_storage(self._acting, epoch, call, lambda it: isinstance(it, CreateOutcome), seconds)

    async def _write(self, volume: VolumeName, change: Change, *, thin: bool = False) -> str | None:
        def after(known: Mapping[VolumeName, VolumeRecord]) -> VolumeRecord | None:
            record = known.get(volume)
            changed = None if record is None else change(record)
            return thinned(changed, known) if thin and changed is not None else changed

        written = await rewrite(self._records, volume, after)
        if isinstance(written, VolumeRecord):
            self._state.wrote(written, f"the snapshots of volume {volume} changed")
        return str(written) if isinstance(written, Contended) else None


def _deleted(leaving: Snapshot) -> str:
    return "its schedule keeps newer ones, or it was asked for" if leaving.scheduled else "it was asked for"


def _plain(record: VolumeRecord, size: int) -> Spec:
    """A copy lies beside its source, as its volume's file system was made."""
    return Spec(size, record.spec.fstype)

"""
`reberth export` and `reberth import`: the records as a file, and back into a swarm that has lost them.

The storage is asked first. A record comes back without its grants: whoever may write to the disk is told by the disk's
place, as for a disk that is adopted. Nothing is imported under an epoch below one that any controller ever had.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace

from controller.api.orders.pauses import received, sent
from controller.api.recovery.places import held
from controller.api.routes import Route, route
from controller.model import (
    DiskId,
    Epoch,
    HistoryEntry,
    Moment,
    Operation,
    Phase,
    Policy,
    Serial,
    VolumeKey,
    VolumeRecord,
    World,
)
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.bounds import shortened
from controller.protocol.operator import MOST_PAUSED, Backup, Import, Imported, StoredRecord
from controller.reconciler.state import LoopState
from controller.records.base import Acting, Records, RecordsUnavailable, Stale, UnreadableRecord
from controller.records.codec import Stored, decode_volume, volume_content
from controller.records.epochs import MOST_AHEAD, above_ours
from controller.records.pauses import lasting, over, with_parts
from controller.volumes.naming import DIGEST, BadName, is_own_key, life_prefix, volume_key, volume_name
from drivers.base import Created, DriverError, StorageDriver

LOOK_SECONDS = 6.0


class BackupRequests:
    """``no_storage``: why there is no driver, where it is None."""

    def __init__(
        self,
        state: LoopState,
        records: Records,
        driver: StorageDriver | None,
        policy: Policy,
        acting: Acting,
        no_storage: str | None = None,
    ) -> None:
        self._state = state
        self._records = records
        self._driver = driver
        self._policy = policy
        self._acting = acting
        self._no_storage = no_storage or "no storage is configured"

    def routes(self) -> Iterable[Route]:
        yield route(operator.EXPORT, lambda _, __: self.export())
        yield route(operator.IMPORT, lambda _, asked: self.bring_back(asked))

    async def export(self) -> Backup | Rejection:
        try:
            volumes, leadership = await self._records.volumes(), await self._records.leadership()
        except RecordsUnavailable as error:
            return unavailable(error)
        contents = [volume_content(each) for _, each in sorted(volumes.items())]
        return Backup(
            epoch=0 if leadership is None else leadership.epoch,
            at=self._state.wall(),
            records=tuple(StoredRecord(each.facts.decode(), each.state.decode()) for each in contents),
            missing=tuple(shortened(why) for _, why in sorted(volumes.unreadable.items())),
            paused=self._acting.paused,
            paused_parts=sent(self._acting.paused_parts),
        )

    async def bring_back(self, asked: Import) -> Imported | Rejection:
        if self._driver is None:
            return Rejection(Status.BAD, self._no_storage)
        self._state.wakeup("records are to be imported")
        look = await self._state.fresh_look(LOOK_SECONDS)
        if look is None or None in (look.world.attachments, look.world.volumes, look.world.nodes):
            return unavailable("the swarm, the records and the storage must be read first; see `reberth status`")
        try:
            return await self._bring_back(self._driver, look.world, asked)
        except (RecordsUnavailable, DriverError) as error:
            return unavailable(error)
        except _Refused as refused:
            return Rejection(Status.CONFLICT, str(refused))

    async def _bring_back(self, driver: StorageDriver, world: World, asked: Import) -> Imported:
        told = [each async for each in self._all(driver, world, asked)]
        self._state.wakeup("records were imported")
        taken, refused = ([text for was_taken, text in told if was_taken is wanted] for wanted in (True, False))
        return Imported(tuple(taken), tuple(map(shortened, refused)))

    async def _all(self, driver: StorageDriver, world: World, asked: Import) -> AsyncIterator[tuple[bool, str]]:
        """Whether each was taken, and one sentence. Raises _Refused before anything is written."""
        if world.unreadable:
            bad = ", ".join(sorted(world.unreadable))
            raise _Refused(f"the records of {bad} cannot be read, and a disk may be one of theirs: mend them first")
        decoded = [_decoded(each) for each in asked.records]
        await self._epochs(world, asked, [each for each in decoded if isinstance(each, VolumeRecord)])
        await self._pause_again(asked)
        seen: set[DiskId | None] = set()
        for record in decoded:
            if isinstance(record, str):
                yield False, record
                continue
            if record.disk in seen:
                yield False, f"volume {record.name}: disk {record.disk} is twice in the backup"
                continue
            try:
                text = await self._one(driver, world, record, asked)
            except _Refused as refused:
                yield False, f"volume {record.name}: {refused}"
            else:
                seen.add(record.disk)
                yield True, text

    async def _pause_again(self, asked: Import) -> None:
        """What was paused stays so before anything else comes back; what a person said here since goes first."""
        if asked.check:
            return
        now, reason = self._state.wall(), asked.paused
        if reason is not None and self._acting.paused is None and not over(reason, now):
            await self._acting.pause(reason)
        parts = lasting(received(asked.paused_parts), now)
        if parts:
            await self._acting.pause_parts(lambda known: with_parts(parts, known)[-MOST_PAUSED:])

    async def _epochs(self, world: World, asked: Import, records: Sequence[VolumeRecord]) -> None:
        """Afterwards ours is above all that the backup, the storage and the gates know."""
        highest = max((Epoch(asked.epoch), *(each for record in records for each in _epochs_in(record))))
        if highest > world.epoch + MOST_AHEAD:
            raise _Refused(f"the backup has epoch {highest}, which no leader can have had: it is not one of this swarm")
        met = above_ours(world)
        if met is not None:
            raise _Refused(f"epoch {met} was met, above our own {world.epoch}: it is exceeded first; try again")
        if highest >= world.epoch and not asked.check and not await self._acting.new_epoch(highest):
            raise _Refused("no controller is sure to act just now: try again in 15 seconds")

    async def _one(self, driver: StorageDriver, world: World, record: VolumeRecord, asked: Import) -> str:
        before = (world.volumes or {}).get(record.name)
        _must_be_free(record, before)
        await self._must_be_there(driver, world, record)
        if asked.check:
            return f"volume {record.name} would be brought back with disk {record.disk}"
        if before is not None:
            await self._records.delete_volume(before)  # what Docker made for the name, without a disk
            self._state.deleted(record.name)
        written = await self._records.create_volume(self._anew(record, asked))
        if isinstance(written, Stale):
            raise _Refused("it was made anew in the same moment")
        self._state.wrote(written)
        return f"volume {record.name} has its record again, with disk {record.disk}"

    async def _must_be_there(self, driver: StorageDriver, world: World, record: VolumeRecord) -> None:
        keys = await _keys(driver, record)
        others = _others(await driver.keys(life_prefix(record.key)), record)
        if not keys:
            raise _Refused(f"the storage has no disk {record.disk}" + _instead(record, others))
        if others:
            raise _Refused(f"beside its own disk {keys[0]} the storage has another" + _instead(record, others))
        found = await driver.create(keys[0], replace(record.spec, source=None))  # it is there, so it is found
        if not isinstance(found, Created):
            raise _Refused(found.why)
        if found.disk != record.disk:
            raise _Refused(f"its disk was {record.disk}, and the storage calls it {found.disk} now")
        owner = next((each.name for each in (world.volumes or {}).values() if each.disk == found.disk), None)
        why = f"its disk is that of volume {owner}" if owner is not None else held(world, self._policy, found.disk)
        if why is not None:
            raise _Refused(why)

    def _anew(self, record: VolumeRecord, asked: Import) -> VolumeRecord:
        """Serials go on above all that were given meanwhile: each begins at a second, and grows slower than time."""
        now, epoch = self._state.wall(), self._acting.epoch or Epoch(0)
        told = HistoryEntry(Moment.CREATED, now, epoch, f"brought back from a backup, said {asked.by or 'a person'}")
        return replace(
            record,
            phase=Phase.READY,
            serial=Serial(max(record.serial, int(now))),
            grants=(),
            intent=None,
            place=None,
            delete_at=None,
            history=(*record.history, told),
            version=0,
        )


class _Refused(Exception):
    """The text says why; nothing was written."""


def _decoded(stored: StoredRecord) -> VolumeRecord | str:
    """Or why it is none."""
    try:
        record = decode_volume(Stored("", "in the backup", stored.facts.encode(), stored.state.encode(), 0))
    except UnreadableRecord as error:
        return str(error)
    if isinstance(volume_name(record.name), BadName) or record.key != volume_key(record.name):
        return f"a record in the backup is called {record.name!r}, with the key {record.key!r}: it was changed by hand"
    return record


def _epochs_in(record: VolumeRecord) -> Iterator[Epoch]:
    yield from (grant.epoch for grant in record.grants)
    if record.intent is not None:
        yield record.intent.epoch


def _must_be_free(record: VolumeRecord, before: VolumeRecord | None) -> None:
    if record.disk is None:
        raise _Refused("it had no disk yet when the backup was made; Docker makes it again")
    if record.intent is not None and record.intent.operation is Operation.DELETE:
        raise _Refused("its disk was being deleted when the backup was made")
    if before is not None and (before.disk is not None or before.grants or before.intent is not None):
        raise _Refused("it has a record, which is kept as it is")


async def _keys(driver: StorageDriver, record: VolumeRecord) -> list[VolumeKey]:
    """Under which its disk is in the storage; of one that was adopted only the end is known."""
    if not record.fs_uuid.startswith(DIGEST):
        found = await driver.keys(life_prefix(record.key))
        return [each for each in found if is_own_key(each, record.key, record.fs_uuid) and each in (record.disk or "")]
    end = record.fs_uuid.removeprefix(DIGEST)
    every = await driver.keys("")
    return [each for each in every if each.endswith(f"-{end}") and each in (record.disk or "")]


def _others(keys: Iterable[VolumeKey], record: VolumeRecord) -> set[VolumeKey]:
    """Beside its own disk, and that which it had before it was restored."""
    return {key for key in keys if not any(key in disk for disk in record.disks)}


def _instead(record: VolumeRecord, others: set[VolumeKey]) -> str:
    if not others:
        return ""
    choices = " or ".join(f"`reberth adopt {record.name} --disk {each}`" for each in sorted(others))
    return f": there was another volume of that name before or after the backup. {choices} takes that one instead"

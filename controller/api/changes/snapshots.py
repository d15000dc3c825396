"""
`reberth snapshot create|list|delete|restore`: what is ordered is written into the volume's record, and nothing else.

What follows is done by `controller.reconciler.snapshots`, whoever acts by then.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from controller.api.changes.making import LOOK_SECONDS
from controller.api.changes.quotas import Quotas, Turn
from controller.api.routes import Route, route
from controller.model import (
    Phase,
    Restoring,
    Snapshot,
    SnapshotState,
    VolumeName,
    VolumeRecord,
)
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import DeleteSnapshot, ListSnapshots, MakeSnapshot, RestoreSnapshot, Told
from controller.protocol.views import SnapshotsView, SnapshotView
from controller.reconciler.snapshots.changes import with_each, without_restore
from controller.reconciler.snapshots.schedule import MOST
from controller.reconciler.snapshots.steps import claimed_by, only_at_rest, restore_of
from controller.reconciler.state import LoopState
from controller.records.base import Records, RecordsUnavailable
from controller.records.rewriting import Contended, rewrite
from drivers.base import Grower, StorageDriver

GRACE_SECONDS = 12.0  # the command waits 30
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")

_Order = Callable[[VolumeRecord, Mapping[VolumeName, VolumeRecord]], VolumeRecord | Rejection]  # of one, and all


class SnapshotRequests:
    def __init__(
        self, state: LoopState, records: Records, driver: StorageDriver | None, quotas: Quotas | None = None
    ) -> None:
        self._state = state
        self._records = records
        self._driver = driver
        self._quotas = quotas or Quotas()

    def routes(self) -> Iterable[Route]:
        yield route(operator.MAKE_SNAPSHOT, lambda _, asked: self.make(asked))
        yield route(operator.SNAPSHOTS, lambda _, asked: self.list(asked))
        yield route(operator.DELETE_SNAPSHOT, lambda _, asked: self.delete(asked))
        yield route(operator.RESTORE_SNAPSHOT, lambda _, asked: self.restore(asked))

    async def list(self, asked: ListSnapshots) -> SnapshotsView | Rejection:
        try:
            records = await self._records.volumes()
            if asked.volume and records.get(VolumeName(asked.volume)) is None:
                return _no_volume(asked.volume)
        except RecordsUnavailable as error:
            return unavailable(error)
        named = [each for name, each in sorted(records.items()) if asked.volume in {"", name}]
        return SnapshotsView(tuple(view for record in named for view in self._views(record)))

    def _views(self, record: VolumeRecord) -> Iterator[SnapshotView]:
        for each in record.snapshots.each:
            yield self._view(record, each)

    def _view(self, record: VolumeRecord, each: Snapshot) -> SnapshotView:
        restoring = record.snapshots.restoring is not None and record.snapshots.restoring.snapshot == each.name
        key = restore_of(each.name) if restoring else each.name
        why = each.why or self._state.snapshots.get((record.name, key), "")
        return SnapshotView(
            record.name,
            each.name,
            each.state.value,
            each.at,
            each.size_bytes,
            each.disk or "",
            why,
            restoring,
            each.scheduled,
        )

    async def make(self, asked: MakeSnapshot) -> SnapshotView | Rejection:
        now = self._state.wall()
        name = asked.name or f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"
        if not NAME.fullmatch(name):
            no_name = f"{name[:80]!r} is no name for a snapshot: 1 to 63 letters, digits, '-', '_' and '.'"
            return Rejection(Status.BAD, no_name)
        why = self._cannot(VolumeName(asked.volume))
        if why is not None:
            return Rejection(Status.CONFLICT, why)
        wanted = Snapshot(name, secrets.token_hex(4), SnapshotState.WANTED, now, 0)
        written = await self._ordered(asked.volume, lambda record, _: _with_wanted(record, wanted), one_more=True)
        if isinstance(written, Rejection):
            return written
        made = written.snapshots.named(name)
        return self._view(written, wanted if made is None else made)

    def _cannot(self, volume: VolumeName) -> str | None:
        """Why no snapshot of it can be made now, so far as the last look tells."""
        if self._driver is None:
            return "no storage is configured"
        can, world = self._driver.capabilities, self._state.world
        if not (can.clones or can.snapshots):
            return f"storage driver {can.name} cannot copy disks"
        if volume in self._state.growing:
            return f"the disk of volume {volume} is being made larger: say it again when that is done"
        service = claimed_by(world, volume)
        return only_at_rest(volume, service) if service and not can.snapshots else None

    async def delete(self, asked: DeleteSnapshot) -> Told | Rejection:
        written = await self._ordered(asked.volume, lambda record, known: _without(record, asked.name, known))
        if isinstance(written, Rejection):
            return written
        return Told(f"snapshot {asked.name} of volume {asked.volume} is being deleted")

    async def restore(self, asked: RestoreSnapshot) -> Told | Rejection:
        volume = VolumeName(asked.volume)
        if not asked.name:
            written = await self._ordered(volume, lambda record, _: _given_up(record))
            told = f"volume {volume} stays as it is: it is not restored"
            return written if isinstance(written, Rejection) else Told(told)
        used = await self._used(volume)
        if used is not None:
            return used
        restoring, grows = Restoring(asked.name, secrets.token_hex(4)), isinstance(self._driver, Grower)
        written = await self._ordered(
            volume, lambda record, _: _restoring(record, restoring, grows=grows), one_more=True
        )
        if isinstance(written, Rejection):
            return written
        return Told(
            f"volume {volume} is being restored from snapshot {asked.name}; what it has now is kept as a snapshot. "
            "Its next task starts when that is done"
        )

    async def _used(self, volume: VolumeName) -> Rejection | None:
        """
        Whether a service uses it. Where its last task ended just now, what that was permitted is awaited: a next one
        could mount under it, and the volume would be restored when that one ends, weeks later.
        """
        ends = self._state.clock() + GRACE_SECONDS
        while True:
            self._state.wakeup(f"volume {volume} is to be restored")
            look = await self._state.fresh_look(LOOK_SECONDS)
            if look is None or look.world.claims is None:
                return unavailable(f"it cannot be seen just now whether a service uses volume {volume}")
            service = claimed_by(look.world, volume)
            if service:
                why = f"service {service} uses volume {volume}: `docker service scale {service}=0`, and say it again"
                return Rejection(Status.CONFLICT, why)
            record = self._state.record(volume)
            if record is None or not record.grants or self._state.clock() > ends:
                return None
            await self._state.changed.wait(1.0)

    async def _ordered(self, volume: str, order: _Order, *, one_more: bool = False) -> VolumeRecord | Rejection:
        """``one_more``: it takes room for one more disk of the volume's size."""
        name = VolumeName(volume)

        def change(known: Mapping[VolumeName, VolumeRecord], turn: Turn) -> VolumeRecord | Rejection:
            record = known.get(name)
            after = _no_volume(volume) if record is None else order(record, known)
            if record is None or isinstance(after, Rejection) or not one_more:
                return after
            return turn.refuses(known, record, record.spec.size_bytes) or after

        try:
            async with self._quotas.turn() as turn:
                written = await rewrite(self._records, name, lambda known: change(known, turn))
        except RecordsUnavailable as error:
            return unavailable(error)
        if isinstance(written, Contended):
            return unavailable(f"{written}; say the same again")
        if isinstance(written, VolumeRecord):
            self._state.wrote(written, f"the snapshots of volume {volume} are to change")
        return written


def _no_volume(name: str) -> Rejection:
    return Rejection(Status.MISSING, f"there is no volume {name}")


def _not_now(record: VolumeRecord) -> str | None:
    name = record.name
    if record.phase is Phase.DELETING:
        return f"volume {name} was removed: take that back first (`reberth undelete {name}`)"
    if record.disk is None or not record.formatted:
        return f"volume {name} was never used, so there is nothing to keep: start its service once"
    if record.snapshots.restoring is not None:
        return f"volume {name} is being restored from snapshot {record.snapshots.restoring.snapshot}"
    return None


def _with_wanted(record: VolumeRecord, wanted: Snapshot) -> VolumeRecord | Rejection:
    why = _not_now(record)
    if why is None and record.snapshots.named(wanted.name) is not None:
        why = f"volume {record.name} has a snapshot {wanted.name} already: take another name, or delete that one"
    if why is None and len(record.snapshots.each) >= MOST:
        why = f"volume {record.name} has {MOST} snapshots, the most that its record holds: delete one"
    if why is not None:
        return Rejection(Status.CONFLICT, why)
    return with_each(record, (*record.snapshots.each, replace(wanted, size_bytes=record.spec.size_bytes)))


def _missing(record: VolumeRecord, name: str) -> Rejection:
    known = ", ".join(each.name for each in record.snapshots.each) or "none"
    return Rejection(Status.MISSING, f"volume {record.name} has no snapshot {name}; it has: {known}")


def _without(record: VolumeRecord, name: str, known: Mapping[VolumeName, VolumeRecord]) -> VolumeRecord | Rejection:
    copying = {each.copying: each.name for each in known.values() if each.copying is not None}
    found = record.snapshots.named(name)
    if found is None:
        return _missing(record, name)
    restoring = record.snapshots.restoring
    if restoring is not None and restoring.snapshot == name:
        why = f"volume {record.name} is being restored from it"
        return Rejection(Status.CONFLICT, why)
    if found.disk is not None and found.disk in copying:
        why = f"volume {copying[found.disk]} is being made as a copy of it: wait until that is done"
        return Rejection(Status.CONFLICT, why)
    leaving = replace(found, state=SnapshotState.LEAVING)
    return with_each(record, tuple(leaving if each == found else each for each in record.snapshots.each))


def _restoring(record: VolumeRecord, restoring: Restoring, *, grows: bool) -> VolumeRecord | Rejection:
    found = record.snapshots.named(restoring.snapshot)
    if found is None:
        return _missing(record, restoring.snapshot)
    why = _not_now(record) or _not_from(record, found, grows=grows)
    if why is not None:
        return Rejection(Status.CONFLICT, why)
    return replace(record, snapshots=replace(record.snapshots, restoring=restoring))


def _not_from(record: VolumeRecord, found: Snapshot, *, grows: bool) -> str | None:
    """Why it cannot be restored from this snapshot."""
    if found.state is not SnapshotState.THERE:
        return f"snapshot {found.name} is {found.state.value}, and not there"
    if record.grants:
        return f"a task of volume {record.name} may still have it: `reberth explain {record.name}` says what is awaited"
    if record.snapshots.wanted:
        return f"a snapshot of volume {record.name} is being made: say it again when that is done"
    if len(record.snapshots.each) >= MOST:
        return f"what volume {record.name} has now is kept as a snapshot, and it has {MOST} already: delete one"
    if found.size_bytes < record.spec.size_bytes and not grows:
        return "the volume has grown since, and this storage driver cannot make disks larger"
    return None


def _given_up(record: VolumeRecord) -> VolumeRecord | Rejection:
    if record.snapshots.restoring is None:
        return Rejection(Status.CONFLICT, f"volume {record.name} is not being restored")
    return without_restore(record)

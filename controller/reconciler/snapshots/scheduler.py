"""
Orders snapshots by the volumes' schedules.

As a person's order it stands in the volume's record, and `SnapshotWorks` does it. Only of disks that are in use: such a
copy ends with whoever takes the disk away, while one at rest would hold the disk, and a task wait for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from controller.model import AttachmentState, Claim, Phase, VmId, VolumeName, VolumeRecord, World
from controller.protocol.answers import Rejection
from controller.reconciler.snapshots.room import Rooms
from controller.reconciler.snapshots.schedule import (
    begun,
    failed,
    hindrance,
    keepable,
    ordered,
    overdue_at,
    with_schedule,
)
from controller.reconciler.state import LoopState
from controller.records.base import Acting, Records, RecordsUnavailable
from controller.records.rewriting import Contended, rewrite
from controller.volumes.schedules import NONE, SNAPSHOTS, schedule
from drivers.base import StorageDriver

LOOK_SECONDS = 5.0
MOST_AT_ONCE = 2  # ordered and not there yet, of all volumes: of what is copied at once some is left for people
JUMP = 5.0  # seconds by which a clock goes astray in no look

_Change = Callable[[VolumeRecord, Mapping[VolumeName, VolumeRecord]], VolumeRecord | None]

_log = structlog.get_logger(__name__)


class Turn(Protocol):
    def refuses(self, known: Mapping[VolumeName, VolumeRecord], of: VolumeRecord, size: int) -> Rejection | None: ...


class Quotas(Protocol):
    """What is to be judged has to be read within a turn, and written."""

    def turn(self) -> AbstractAsyncContextManager[Turn]: ...


class Scheduler:
    """``able``: whether the driver copies a disk that a VM has."""

    def __init__(self, state: LoopState, records: Records, acting: Acting, quotas: Quotas, *, able: bool) -> None:
        self._quotas = quotas
        self._over: dict[VolumeName, str] = {}  # whose quota has no room for one more, and why
        self._state = state
        self._records = records
        self._acting = acting
        self._able = able
        self._rooms = Rooms(state)
        self._skew = 0.0  # of the wall clock to the monotonic one
        self._steady_since: float | None = None

    async def run(self) -> None:
        """For ever, while we act."""
        while True:
            try:
                await self.look()
            except RecordsUnavailable as error:
                _log.warning("schedule.unread", why=str(error))
            except Exception:  # noqa: BLE001 -- no failover depends on it: it is told, and looked at again
                _log.exception("internal.error", why="a look at the schedules failed", epoch=self._acting.epoch)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        world, now = self._state.world, self._now()
        if self._acting.epoch is None or world is None or world.epoch != self._acting.epoch or world.claims is None:
            return
        await self._take_wishes(world, world.claims)
        if not self._able:
            self._state.overdue = dict(self._in_vain(world))
        elif now is not None and world.attachments is not None:
            await self._order_all(world, now)
            self._state.overdue = dict(self._all_late(world, now))

    async def _take_wishes(self, world: World, claims: Mapping[VolumeName, Claim]) -> None:
        for name, claim in claims.items():
            said = claim.schedule
            if said is not None and not _paused(world, name) and (self._able or said == NONE):
                await self._take(name, said)

    def _all_late(self, world: World, now: float) -> Iterator[tuple[VolumeName, str]]:
        for each in self._used(world):
            why = self._late(world, each, now)
            if why is not None:
                yield each.name, why

    def _in_vain(self, world: World) -> Iterator[tuple[VolumeName, str]]:
        """The volume goes on without: a service is not to stay down for it."""
        said = {name: each.schedule for name, each in (world.claims or {}).items() if each.schedule not in {None, NONE}}
        for name, record in (world.volumes or {}).items():
            wish = said.get(name) or record.spec.schedule
            if wish is not None and record.phase is not Phase.DELETING:
                why = (
                    f"volume {name} is to have snapshots ({wish}), and this storage driver copies no disk that is in "
                    "use: none is made. Say `snapshots: none` in the stack file, and make them by hand (`reberth "
                    "snapshot create`), where the driver can, while no service uses the volume"
                )
                yield name, why

    async def _order_all(self, world: World, now: float) -> None:
        """Whoever waits longest goes first. A VM's disks one after the other: some hypervisors copy one at a time."""
        vms = _vms(world)
        wanted = [name for name, each in (world.volumes or {}).items() if each.snapshots.wanted]
        busy = {vms.get(name) for name in wanted}
        for each in sorted(self._used(world), key=lambda each: each.scheduled_at):
            if self._hindrance(world, each) is not None:
                await self._begin(each, now)
            elif vms[each.name] not in busy and len(wanted) < MOST_AT_ONCE and await self._order(each, now):
                wanted.append(each.name)
                busy.add(vms[each.name])

    async def _begin(self, record: VolumeRecord, now: float) -> None:
        if begun(record, now) is not None:
            await self._write(record.name, lambda newest, _: begun(newest, now))

    def _now(self) -> float | None:
        """By most nodes' clocks. While ours jumps, what they were found to differ from it says nothing."""
        clock, skew = self._state.clock(), self._state.wall() - self._state.clock()
        if self._steady_since is None or abs(skew - self._skew) > JUMP:
            self._steady_since = clock
        self._skew = skew
        return self._state.by_most(clock - self._steady_since)

    def _used(self, world: World) -> Iterator[VolumeRecord]:
        """With a schedule, and on a VM: on none nothing is written, and so none is late."""
        vms = _vms(world)
        for name in self._state.volumes():
            record = self._state.record(name) if name in vms else None
            if record is not None and record.spec.schedule is not None and keepable(record):
                yield record

    async def _take(self, name: VolumeName, said: str) -> None:
        wish = schedule({SNAPSHOTS: said})
        if await self._write(name, lambda record, _: with_schedule(record, wish)) is not None:
            _log.info("schedule.changed", volume=name, why=f"the stack file says {said}")

    async def _order(self, record: VolumeRecord, now: float) -> bool:
        if ordered(record, now, now, "") is None:
            return False
        wall, token = self._state.wall(), secrets.token_hex(4)
        self._over.pop(record.name, None)
        async with self._quotas.turn() as turn:

            def fitting(newest: VolumeRecord, known: Mapping[VolumeName, VolumeRecord]) -> VolumeRecord | None:
                refused, after = turn.refuses(known, newest, newest.spec.size_bytes), ordered(newest, now, wall, token)
                if refused is not None:
                    self._over[record.name] = refused.why
                return after if refused is None else begun(newest, now)

            written = await self._write(record.name, fitting)
        if written is None or all(each.token != token for each in written.snapshots.each):
            return False
        self._rooms.promised(written)
        _log.info("snapshot.ordered", volume=record.name, why=f"schedule {record.spec.schedule}")
        return True

    def _hindrance(self, world: World, record: VolumeRecord) -> str | None:
        if _paused(world, record.name):
            return "a person has paused it"
        if record.name in self._state.growing:
            return "its disk is being made larger"
        return hindrance(record) or self._rooms.lack(record)

    def _late(self, world: World, record: VolumeRecord, now: float) -> str | None:
        """Why there is none of this period. One that is being made is not late: soon it is there, or has failed."""
        lost, late = failed(record), overdue_at(record)
        told = f"volume {record.name} has no snapshot of this period ({record.spec.schedule})"
        hindered = self._hindrance(world, record) or self._over.get(record.name)
        if lost is not None:
            return f"{told}: {lost.name} failed: {lost.why}; another one is made by itself{_also(hindered)}"
        if late is None or record.scheduled_at == 0 or now <= late or record.snapshots.wanted:
            return None
        tried = next((why for (name, _), why in self._state.snapshots.items() if name == record.name), "")
        return f"{told}: {hindered or 'others are made first'}{_also(tried)}"

    async def _write(self, volume: VolumeName, change: _Change) -> VolumeRecord | None:
        def after(known: Mapping[VolumeName, VolumeRecord]) -> VolumeRecord | None:
            record = known.get(volume)
            return None if record is None else change(record, known)

        written = await rewrite(self._records, volume, after)
        if isinstance(written, Contended) or written is None:
            return None
        self._state.wrote(written, f"the snapshots of volume {volume} are to change")
        return written


def schedulers(
    driver: StorageDriver | None, state: LoopState, records: Records, acting: Acting, quotas: Quotas
) -> tuple[Scheduler, ...]:
    """None without storage."""
    if driver is None:
        return ()
    return (Scheduler(state, records, acting, quotas, able=driver.capabilities.snapshots),)


def _paused(world: World, name: VolumeName) -> bool:
    return world.paused is not None or any(each.volume == name for each in world.paused_parts)


def _vms(world: World) -> Mapping[VolumeName, VmId]:
    """Of each volume whose disk is surely on one."""
    seats = {each.disk: each.vm for each in world.attachments or () if each.state is AttachmentState.ATTACHED}
    disks = ((name, record.disk) for name, record in (world.volumes or {}).items())
    return {name: seats[disk] for name, disk in disks if disk is not None and disk in seats}


def _also(why: str | None) -> str:
    return f"; {why}" if why else ""

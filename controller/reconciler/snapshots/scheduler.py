"""
Orders snapshots by the volumes' schedules, and the end of the oldest of those.

As a person's order it stands in the volume's record, and `SnapshotWorks` does it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from controller.model import Claim, DiskId, VolumeName, VolumeRecord, World
from controller.protocol.answers import Rejection
from controller.reconciler.snapshots.schedule import (
    begun,
    failed,
    hindrance,
    keepable,
    ordered,
    overdue_at,
    thinned,
    with_schedule,
)
from controller.reconciler.snapshots.steps import claimed_by
from controller.reconciler.state import LoopState
from controller.records.base import Acting, Records, RecordsUnavailable
from controller.records.rewriting import Contended, rewrite
from controller.volumes import schedules
from drivers.base import StorageDriver

LOOK_SECONDS = 5.0
MOST_AT_ONCE = 4  # ordered and not there yet, of all volumes: one that waits for others would be given up
JUMP = 5.0  # seconds by which a clock goes astray in no look

_Change = Callable[[VolumeRecord, Mapping[VolumeName, VolumeRecord]], VolumeRecord | None]

_log = structlog.get_logger(__name__)


class Turn(Protocol):
    def refuses(self, known: Mapping[VolumeName, VolumeRecord], of: VolumeRecord, size: int) -> Rejection | None: ...


class Quotas(Protocol):
    """What is to be judged has to be read within a turn, and written."""

    def turn(self) -> AbstractAsyncContextManager[Turn]: ...


class Scheduler:
    """``in_use``: whether the driver copies a disk that a VM has."""

    def __init__(self, state: LoopState, records: Records, acting: Acting, quotas: Quotas, *, in_use: bool) -> None:
        self._quotas = quotas
        self._over: dict[VolumeName, str] = {}  # whose quota has no room for one more, and why
        self._state = state
        self._records = records
        self._acting = acting
        self._in_use = in_use
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
        if now is not None:
            await self._go_through(world, now)

    async def _go_through(self, world: World, now: float) -> None:
        found = [each for each in self._scheduled() if keepable(each)]
        self._state.overdue = {each.name: why for each in found if (why := self._overdue(world, each, now))}
        for each in found:
            await self._thin(each)
        await self._order_all(world, found, now)

    async def _order_all(self, world: World, found: Iterable[VolumeRecord], now: float) -> None:
        """Whoever waits longest goes first."""
        under_way = sum(each.snapshots.wanted for each in (world.volumes or {}).values())
        for each in sorted(found, key=lambda each: each.scheduled_at):
            if self._hindrance(world, each) is not None:
                await self._begin(each, now)
            elif under_way < MOST_AT_ONCE and await self._order(each, now):
                under_way += 1

    async def _thin(self, record: VolumeRecord) -> None:
        if thinned(record, ()) is not None:
            await self._write(record.name, lambda newest, known: thinned(newest, _copying(known)))

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

    def _scheduled(self) -> Iterator[VolumeRecord]:
        for name in self._state.volumes():
            record = self._state.record(name)
            if record is not None and record.spec.schedule is not None:
                yield record

    async def _take_wishes(self, world: World, claims: Mapping[VolumeName, Claim]) -> None:
        for name, claim in claims.items():
            if claim.schedule is not None and not _paused(world, name):
                await self._take(name, claim.schedule)

    async def _take(self, name: VolumeName, said: str) -> None:
        wish = schedules.schedule({schedules.SNAPSHOTS: said})
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
        if written is None or record.name in self._over:
            return False
        _log.info("snapshot.ordered", volume=record.name, why=f"schedule {record.spec.schedule}")
        return True

    def _hindrance(self, world: World, record: VolumeRecord) -> str | None:
        if _paused(world, record.name):
            return "a person has paused it"
        if record.name in self._state.growing:
            return "its disk is being made larger"
        service = claimed_by(world, record.name)
        if service and not self._in_use:
            return (
                f"service {service} uses the volume, and this storage copies a disk only while it is attached nowhere: "
                f"`docker service scale {service}=0`, and it is made by itself"
            )
        return hindrance(record)

    def _overdue(self, world: World, record: VolumeRecord, now: float) -> str | None:
        lost, late = failed(record), overdue_at(record)
        told = f"volume {record.name} has no snapshot of this period ({record.spec.schedule})"
        hindered = self._hindrance(world, record) or self._over.get(record.name)
        if lost is not None:
            return f"{told}: {lost.name} failed: {lost.why}; another one is made by itself{_also(hindered)}"
        if late is None or record.scheduled_at == 0 or now <= late:
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
    """None where the driver copies no disks."""
    if driver is None or not (driver.capabilities.snapshots or driver.capabilities.clones):
        return ()
    return (Scheduler(state, records, acting, quotas, in_use=driver.capabilities.snapshots),)


def _paused(world: World, name: VolumeName) -> bool:
    return world.paused is not None or any(each.volume == name for each in world.paused_parts)


def _copying(known: Mapping[VolumeName, VolumeRecord]) -> frozenset[DiskId]:
    return frozenset(each.copying for each in known.values() if each.copying is not None)


def _also(why: str | None) -> str:
    return f"; {why}" if why else ""

"""
`reberth grow VOLUME SIZE`: the disk first, then the record; the gate grows the file system.

Cut off anywhere, the same command goes on: a disk that is larger than its record is mounted as ever, and the storage
says Done to what is so large already. No disk shrinks, so a call that comes late, from whomever, does no harm: it needs
neither an intent nor an epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from controller.api.changes.quotas import Quotas
from controller.api.routes import Route, route
from controller.model import DiskId, Epoch, HistoryEntry, Moment, Phase, VolumeName, VolumeRecord
from controller.planner.plan import LONGEST
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import Grow, Told
from controller.protocol.views import DriverOptionView, DriverView
from controller.reconciler.state import LoopState
from controller.records.base import Records, RecordsUnavailable
from controller.records.rewriting import Contended, rewrite
from controller.volumes.options import BadOptions, parse_size
from drivers.base import Done, Grower, Refused, StorageDriver, declared

_log = structlog.get_logger(__name__)

SECONDS = 20.0  # the command waits 30


class GrowthRequests:
    def __init__(
        self, state: LoopState, records: Records, driver: StorageDriver | None, quotas: Quotas | None = None
    ) -> None:
        self._state = state
        self._records = records
        self._driver = driver
        self._quotas = quotas or Quotas()

    def routes(self) -> Iterable[Route]:
        yield route(operator.GROW, lambda _, asked: self.grow(asked))
        yield route(operator.DRIVER, lambda _, __: self.driver())

    async def driver(self) -> DriverView:
        if self._driver is None:
            return DriverView("none")
        found = self._driver.capabilities
        can = {"clones": found.clones, "grows": isinstance(self._driver, Grower), "snapshots": found.snapshots}
        options = tuple(
            DriverOptionView(each.key, " or ".join(each.values) or "a name", each.default, each.about)
            for each in declared(self._driver)
        )
        return DriverView(found.name, tuple(word for word, yes in can.items() if yes), options)

    async def grow(self, asked: Grow) -> Told | Rejection:
        try:
            return await self._grow(VolumeName(asked.volume), asked)
        except RecordsUnavailable as error:
            return unavailable(error)

    async def _grow(self, name: VolumeName, asked: Grow) -> Told | Rejection:
        record = (await self._records.volumes()).get(name)
        if record is None:
            return Rejection(Status.MISSING, f"there is no volume {name}")
        size = parse_size(asked.size, record.spec.fstype)
        if isinstance(size, BadOptions):
            return Rejection(Status.BAD, size.why)
        why = _not_now(record, size)
        if why is not None or record.disk is None:
            return Rejection(Status.CONFLICT, why or f"volume {name} has no disk yet")
        self._state.growing.add(name)
        try:
            async with self._quotas.growing(self._records, record, size) as refused:
                refusal = refused or await self._enlarge(record.disk, size)
                return refusal or await self._note(name, size, asked.by)
        finally:
            self._state.growing.discard(name)

    async def _enlarge(self, disk: DiskId, size: int) -> Rejection | None:
        if not isinstance(self._driver, Grower):
            return Rejection(Status.CONFLICT, "this storage driver cannot make disks larger")
        try:
            async with asyncio.timeout(SECONDS):
                outcome = await self._driver.grow(disk, size)
        except TimeoutError:
            return unavailable("the storage does not answer; say the same again")
        except Exception as error:  # noqa: BLE001 -- sizes in stack files lead here by themselves, again and again
            _log.exception("internal.error", why="a driver met a bug when it was to make a disk larger", disk=disk)
            why = f"internal error in the driver ({type(error).__name__}: {error})"[:LONGEST]
            return Rejection(Status.UNAVAILABLE, why)
        if isinstance(outcome, Done):
            return None
        if isinstance(outcome, Refused):
            return Rejection(Status.CONFLICT, f"the storage refused: {outcome.why} {outcome.cure or ''}".rstrip())
        return Rejection(Status.UNAVAILABLE, f"{outcome.why}; nothing is lost, say the same again")

    async def _note(self, name: VolumeName, size: int, by: str) -> Told | Rejection:
        written = await rewrite(self._records, name, lambda known: self._grown(known.get(name), size, by))
        if isinstance(written, Contended):
            return unavailable(f"{written}; say the same again")
        if written is None:
            return Rejection(Status.MISSING, f"volume {name} was removed meanwhile")
        self._state.wrote(written, f"volume {name} has grown")
        return Told(f"the disk of volume {name} has {size} bytes now. {_rest(written)}")

    def _grown(self, record: VolumeRecord | None, size: int, by: str) -> VolumeRecord | None:
        if record is None:
            return None
        epoch = Epoch(0) if self._state.world is None else self._state.world.epoch
        text = f"from {record.spec.size_bytes} to {size} bytes, by {by or 'a person'}"
        told = HistoryEntry(Moment.GROWN, self._state.wall(), epoch, text)
        return replace(record, spec=record.spec.grown(size), history=(*record.history, told))


def _not_now(record: VolumeRecord, size: int) -> str | None:
    name, has = record.name, record.spec.size_bytes
    if size < has:
        return f"volume {name} has {has} bytes, and no volume becomes smaller: make a smaller one, and copy its files"
    if record.phase is Phase.DELETING:
        return f"volume {name} was removed: take that back first (`reberth undelete {name}`)"
    if record.snapshots.wanted or record.snapshots.restoring is not None:
        return f"a snapshot of volume {name} is being made, or restored: say it again when that is done"
    if not record.formatted:
        return f"volume {name} was never used: start its service once, or remove it and make it with the larger size"
    return None


def _rest(record: VolumeRecord) -> str:
    """What is left to do."""
    if record.spec.fstype == "xfs":
        return "Its file system follows within seconds, also while it is in use. Raise the size in the stack file, too."
    return (
        "Its file system follows when the volume is mounted next: `docker service update --force` of the service that "
        "uses it. Raise the size in the stack file, too."
    )

"""
Quotas are checked where something is made, one change at a time: two that fit alone may not fit together.

By this process alone: a leader that was replaced in the middle of a change may let one through beside its successor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from controller.model import QuotaUse, VolumeName, VolumeRecord
from controller.protocol.answers import Rejection, Status
from controller.reconciler.state import LoopState
from controller.records.base import Records, Stale
from controller.settings import Settings, SettingsError
from controller.volumes.quotas import BadQuota, Quota, Taken, Wanted, parse_quotas, refusal, taken

Known = Mapping[VolumeName, VolumeRecord]


def quotas_of(settings: Settings) -> tuple[Quota, ...]:
    """Raises SettingsError."""
    try:
        return parse_quotas(settings.volumes.quotas)
    except BadQuota as error:
        raise SettingsError(f"volumes.quotas: {error}") from error


class Turn:
    """``growing``: sizes that disks are being given, as of before the records are read that are judged."""

    def __init__(self, quotas: Sequence[Quota], growing: Mapping[VolumeName, int]) -> None:
        self._quotas = quotas
        self._growing = growing

    def refuses(self, known: Known, of: VolumeRecord, size: int, volumes: int = 0) -> Rejection | None:
        """``size``, ``volumes``: what is to come to it, in bytes and as one more volume."""
        wanted = Wanted(of.name, of.spec.labels, Taken(size, volumes))
        why = refusal(self._quotas, known, wanted, self._growing)
        return None if why is None else Rejection(Status.CONFLICT, why)


class Quotas:
    """All methods may raise RecordsUnavailable."""

    def __init__(self, quotas: Sequence[Quota] = ()) -> None:
        self._quotas = quotas
        self._lock = asyncio.Lock()
        self._growing: list[tuple[VolumeName, int]] = []

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """What is to be judged has to be read within it, and written."""
        if not self._quotas:
            yield Turn((), {})
            return
        async with self._lock:
            yield Turn(self._quotas, dict(sorted(self._growing)))

    async def create(self, records: Records, record: VolumeRecord) -> VolumeRecord | Stale | Rejection:
        if not self._about(record):
            return await records.create_volume(record)
        async with self.turn() as turn:
            refused = turn.refuses(await records.volumes(), record, record.spec.size_bytes, 1)
            return await records.create_volume(record) if refused is None else refused

    @asynccontextmanager
    async def growing(self, records: Records, record: VolumeRecord, size: int) -> AsyncIterator[Rejection | None]:
        """
        Whether it is refused. If not, the new size counts until the record tells it, or it was not given: the storage
        may take long.
        """
        refused, mine = await self._before(records, record, size), (record.name, size)
        if refused is not None:
            yield refused
            return
        try:
            yield None
        finally:
            if mine in self._growing:
                self._growing.remove(mine)

    async def _before(self, records: Records, record: VolumeRecord, size: int) -> Rejection | None:
        if not self._about(record):
            return None
        async with self.turn() as turn:
            known = await records.volumes()
            refused = turn.refuses(known, record, size - known.get(record.name, record).spec.size_bytes)
            if refused is None:
                self._growing.append((record.name, size))
            return refused

    def _about(self, record: VolumeRecord) -> bool:
        return any(each.fits(record.name, record.spec.labels) for each in self._quotas)


def quota_uses(loop: LoopState) -> tuple[QuotaUse, ...]:
    """What is taken of each, as far as the records are known."""
    records = {name: record for name in loop.volumes() if (record := loop.record(name)) is not None}
    return tuple(_quota(each, taken(each, records)) for each in loop.quotas)


def _quota(quota: Quota, had: Taken) -> QuotaUse:
    full = (quota.most_bytes is not None and had.size >= quota.most_bytes) or (
        quota.most_volumes is not None and had.volumes >= quota.most_volumes
    )
    return QuotaUse(quota.selector, had.size, had.volumes, quota.most_bytes, quota.most_volumes, full)

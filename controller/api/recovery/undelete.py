"""`reberth undelete NAME`: a removal is taken back while the disk is still there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from controller.api.changes.quotas import Known, Quotas, Turn
from controller.api.routes import Route, route
from controller.model import Epoch, HistoryEntry, Moment, Operation, Phase, VolumeName, VolumeRecord
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import Told, Undelete
from controller.reconciler.state import LoopState
from controller.records.base import Records, RecordsUnavailable
from controller.records.rewriting import Contended, rewrite
from controller.volumes.quotas import size_of


class UndeleteRequests:
    def __init__(self, state: LoopState, records: Records, quotas: Quotas | None = None) -> None:
        self._state = state
        self._records = records
        self._quotas = quotas or Quotas()

    def routes(self) -> Iterable[Route]:
        yield route(operator.UNDELETE, lambda _, asked: self.undelete(asked))

    async def undelete(self, asked: Undelete) -> Told | Rejection:
        try:
            return await self._undelete(VolumeName(asked.volume), asked.by)
        except RecordsUnavailable as error:
            return unavailable(error)

    async def _undelete(self, name: VolumeName, by: str) -> Told | Rejection:
        async with self._quotas.turn() as turn:
            written = await rewrite(self._records, name, lambda known: self._back(turn, name, known, by))
        if isinstance(written, Contended):
            return unavailable(written)
        if isinstance(written, Rejection):
            return written
        self._state.wrote(written, f"the removal of volume {name} was taken back")
        return Told(f"volume {name} is back, with its data")

    def _back(self, turn: Turn, name: VolumeName, known: Known, by: str) -> VolumeRecord | Rejection:
        record = known.get(name)
        why = _gone(name, record)
        if record is None or why is not None:
            return why or Rejection(Status.MISSING, f"there is no volume {name}")
        refused = turn.refuses(known, record, size_of(record), 1)
        if refused is not None:
            return refused
        epoch = Epoch(0) if self._state.world is None else self._state.world.epoch
        text = f"its removal was taken back by {by or 'a person'}"
        told = HistoryEntry(Moment.CREATED, self._state.wall(), epoch, text)
        return replace(record, phase=Phase.READY, delete_at=None, history=(*record.history, told))


def _gone(name: VolumeName, record: VolumeRecord | None) -> Rejection | None:
    """Why it cannot be taken back. A delete that was asked for may be carried out at any later time."""
    if record is None:
        return Rejection(
            Status.MISSING, f"there is no record of volume {name}: its disk was deleted, or it never existed"
        )
    if record.phase is not Phase.DELETING:
        return Rejection(Status.CONFLICT, f"volume {name} was not removed")
    if record.intent is not None and record.intent.operation is Operation.DELETE:
        return Rejection(Status.CONFLICT, f"the disk of volume {name} is being deleted already")
    if record.disk is None:
        return Rejection(Status.CONFLICT, f"volume {name} has no disk yet: make it again when it is gone")
    return None

"""`reberth history` and `reberth events`: moves and single entries, out of the histories in the volumes' records."""

from __future__ import annotations

from controller.model import VolumeName
from controller.protocol.operator import Events, History
from controller.protocol.views import EventsView, EventView, MovesView, MoveView
from controller.reconciler.state import LoopState
from controller.records.moves import Move, moves


def history(state: LoopState, asked: History) -> MovesView:
    """The newest first."""
    names = (VolumeName(asked.volume),) if asked.volume else state.volumes()
    records = (state.record(name) for name in names)
    found = [(record.name, move) for record in records if record is not None for move in moves(record.history)]
    kept = (view(name, move) for name, move in found if _asked_for(move, asked))
    return MovesView(tuple(sorted(kept, key=lambda each: each.at, reverse=True)))


def _asked_for(move: Move, asked: History) -> bool:
    return move.at >= asked.since and (not asked.node or asked.node in {move.source, move.target})


def view(volume: VolumeName, move: Move) -> MoveView:
    """For people and programs."""
    seconds = {moment.value: took for moment, took in move.seconds.items()}
    return MoveView(
        volume, move.at, move.source, move.target, move.evidence, move.why, move.planned, seconds, move.total
    )


def events(state: LoopState, asked: Events) -> EventsView:
    """The oldest first."""
    names = (VolumeName(asked.volume),) if asked.volume else state.volumes()
    records = [record for record in map(state.record, names) if record is not None]
    found = [
        EventView(
            moment=each.moment,
            at=each.at,
            epoch=each.epoch,
            text=each.text,
            node=each.node,
            evidence=each.evidence,
            volume=record.name,
        )
        for record in records
        for each in record.history
        if each.at >= asked.since
    ]
    return EventsView(tuple(sorted(found, key=lambda each: each.at)))

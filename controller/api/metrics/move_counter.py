"""Notices finished moves in the records' histories, once each, and counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller.model import VolumeName, VolumeRecord
from controller.reconciler.state import LoopState
from controller.records.moves import Move, moves

CHECK_SECONDS = 60.0  # at the latest; a change of the state is noticed at once


class MoveCounter:
    """
    What is in the records when this controller begins to act is the past, and not counted: its leader did.

    A record is read again only when its version changed: thousands of them cost nothing in a quiet swarm.
    """

    def __init__(
        self, state: LoopState, moved: Callable[[Move], None], *told: Callable[[VolumeName, Move], None]
    ) -> None:
        """``moved`` and all ``told`` are called with each; ``told`` with its volume, too."""
        self._state = state
        self._moved = moved
        self._told = told
        self._known: dict[VolumeName, tuple[int, float]] | None = None  # version, and when its newest move began

    async def run(self) -> None:
        while True:
            self.count()
            await self._state.changed.wait(CHECK_SECONDS)

    def count(self) -> None:
        records = None if self._state.world is None else self._state.world.volumes
        if self._state.look is None:
            self._known = None
        elif records is not None:
            self._known = self._count(records)

    def _count(self, records: Mapping[VolumeName, VolumeRecord]) -> dict[VolumeName, tuple[int, float]]:
        known, first = self._known or {}, self._known is None
        found: dict[VolumeName, tuple[int, float]] = {}
        for name, record in records.items():
            version, newest = known.get(name, (-1, 0.0))
            if record.version != version:
                ended = [move for move in moves(record.history) if move.ended and move.at > newest]
                for move in ended:
                    if not first:
                        self._note(name, move)
                    newest = max(newest, move.at)
            found[name] = (record.version, newest)
        return found

    def _note(self, volume: VolumeName, move: Move) -> None:
        self._moved(move)
        for tell in self._told:
            tell(volume, move)

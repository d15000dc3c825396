"""
Whether the storage has room for one more snapshot by schedule.

It may take as much as its volume. Where it fills the storage, what thin disks write has no room any more: then VMs
stand still for a copy that nobody asked for just now. A person who asks for one is not held up by this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controller.doctor.storage import scarce
from controller.model import VolumeRecord
from controller.reconciler.state import LoopState
from drivers.base import Room


class Rooms:
    """By the last inspection, and what was ordered since."""

    def __init__(self, state: LoopState) -> None:
        self._state = state
        self._of: Sequence[Room] = ()
        self._promised: dict[str, int] = {}

    def lack(self, record: VolumeRecord) -> str | None:
        """Why none is to be made of this volume; None, too, where the storage tells nothing."""
        room, size = self._room(record), record.spec.size_bytes
        if room is None or not scarce(replace(room, free=room.free - self._promised.get(room.name, 0) - size)):
            return None
        return (
            f"{room.free >> 30} of {room.size >> 30} GiB are free on {room.name}, and a snapshot may take "
            f"{size >> 20} MiB: make room, delete snapshots (`reberth snapshot list {record.name}`), or keep fewer"
        )

    def promised(self, record: VolumeRecord) -> None:
        room = self._room(record)
        if room is not None:
            self._promised[room.name] = self._promised.get(room.name, 0) + record.spec.size_bytes

    def _room(self, record: VolumeRecord) -> Room | None:
        """Where its disk lies, and so its snapshots. Of places that tell no disks any may be it."""
        if self._of is not self._state.rooms:
            self._of, self._promised = self._state.rooms, {}
        its = [each for each in self._of if record.disk in each.used]
        return min(its or [each for each in self._of if not each.used], key=lambda each: each.free, default=None)

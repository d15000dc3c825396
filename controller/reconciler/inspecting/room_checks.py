"""
How much room is left where disks are made, asked now and then: for `reberth status`, metrics and the doctor.

It is told in the log before it is gone: on a full datastore VMs with thin disks stand still. Nothing is decided by it.
"""

from __future__ import annotations

import structlog

from controller.doctor.storage import scarce
from controller.model import World
from controller.reconciler.inspecting.inspection import again_and_again, answer
from controller.reconciler.state import LoopState
from controller.records.base import Acting
from drivers.base import Roomy

EACH = 300.0  # seconds from one inspection to the next: some storage searches its files for it

_log = structlog.get_logger(__name__)


class RoomChecks:
    def __init__(self, storage: Roomy, state: LoopState, acting: Acting, deadline: float) -> None:
        self._storage = storage
        self._state = state
        self._acting = acting
        self._deadline = deadline
        self._said: frozenset[str] = frozenset()

    async def run(self) -> None:
        """For ever, while we act."""
        await again_and_again(self._state, self._acting, EACH, self.inspect)

    async def inspect(self, _: World) -> None:
        """What cannot be read now is not told, rather than what it was: a number that is old looks like a fresh one."""
        found = await answer("the storage's room", self._storage.rooms, self._deadline)
        if not found:
            self._state.rooms = ()
            return
        for each in found:
            if scarce(each) and each.name not in self._said:
                why = (
                    f"{each.free >> 30} of {each.size >> 30} GiB are left: make room, or more of it, before it is full"
                )
                _log.warning("storage.space", place=each.name, why=why)
        self._said = frozenset(each.name for each in found if scarce(each))
        self._state.rooms = tuple(found)

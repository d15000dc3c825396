"""
What is told, and again where it was not taken.

The acting controller tells, each thing once; after a change of leader an alarm that still lasts is told again. What
cannot be delivered is tried again some times and then logged: nothing waits for it, and only a bounded number is kept.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import ClassVar

import msgspec
import structlog

from controller.api.viewing.history import view
from controller.model import VolumeName
from controller.names import own_version
from controller.planner.actions import Alarm
from controller.protocol.views import MoveView
from controller.reconciler.state import LoopState
from controller.records.moves import Move

MOST_WAITING = 200
PAUSES = (1.0, 5.0, 30.0, 120.0)  # seconds before each further attempt
_CHECK_SECONDS = 60.0
_OVERDUE = "See `reberth snapshot list`; the volume itself goes on."

_log = structlog.get_logger(__name__)


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """``event``: alarm, alarm-over or moved. ``at``: unix seconds. ``move`` is that of ``moved``."""

    event: str
    volume: str
    at: float
    version: str
    why: str = ""
    cure: str = ""
    move: MoveView | None = None


class Notices(ABC):
    """``name``: of the way, in the log."""

    name: ClassVar[str]

    def __init__(self, state: LoopState, pauses: tuple[float, ...] = PAUSES) -> None:
        self._state = state
        self._pauses = pauses
        self._waiting: deque[Told] = deque()
        self._news = asyncio.Event()
        self._alarms: Mapping[VolumeName, Alarm] = {}

    @abstractmethod
    async def attempt(self, body: bytes) -> str:
        """Why it was not taken; empty when it was."""

    def moved(self, volume: VolumeName, move: Move) -> None:
        why = "planned move" if move.planned else "failover"
        self._tell(Told("moved", volume, move.at, own_version(), why, move=view(volume, move)))

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._send())

    async def _watch(self) -> None:
        while True:
            self._look()
            await self._state.changed.wait(_CHECK_SECONDS)

    def _look(self) -> None:
        """Another sentence about the same alarm is no news."""
        if self._state.look is None:
            self._alarms = {}
            return
        now = {name: Alarm(name, why, _OVERDUE) for name, why in self._state.overdue.items()}
        now |= {name: each.action for name, each in self._state.decisions.items() if isinstance(each.action, Alarm)}
        at, version = self._state.wall(), own_version()
        for name in sorted(now.keys() - self._alarms.keys()):
            self._tell(Told("alarm", name, at, version, now[name].why, now[name].cure))
        for name in sorted(self._alarms.keys() - now.keys()):
            self._tell(Told("alarm-over", name, at, version, self._state.why(name)))
        self._alarms = now

    def _tell(self, told: Told) -> None:
        if len(self._waiting) >= MOST_WAITING:
            lost = self._waiting.popleft()
            _log.warning(f"{self.name}.lost", volume=lost.volume, what=lost.event, why=f"{MOST_WAITING} others wait")
        self._waiting.append(told)
        self._news.set()

    async def _send(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            await self._deliver(self._waiting.popleft())

    async def _deliver(self, told: Told) -> None:
        body = msgspec.json.encode(told)
        why = ""
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            why = await self.attempt(body)
            if not why:
                return
        _log.warning(f"{self.name}.lost", volume=told.volume, what=told.event, why=why)

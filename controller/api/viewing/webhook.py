"""
Tells another system by POST of alarms and of finished moves: a chat, a pager, a ticket.

The acting controller tells, each thing once; after a change of leader an alarm that still lasts is told again. What
cannot be delivered is tried again some times and then logged: nothing waits for it, and only a bounded number is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog

from controller.api.viewing.history import view
from controller.model import VolumeName
from controller.names import own_version
from controller.planner.actions import Alarm
from controller.protocol.views import MoveView
from controller.reconciler.state import LoopState
from controller.records.moves import Move
from controller.settings import SettingsError

MOST_WAITING = 200
SECONDS = 10.0  # for one attempt
PAUSES = (1.0, 5.0, 30.0, 120.0)  # seconds before each further attempt
_CHECK_SECONDS = 60.0

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


def address(file: Path | None) -> str | None:
    """What stands in the file. Raises SettingsError: a webhook that tells nobody would be found out too late."""
    if file is None:
        return None
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"webhook_file: {file} cannot be read: {error}") from error
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(text.split()) != 1:
        raise SettingsError(f"webhook_file: {file} has no address that begins with https:// or http://")
    return text


class Webhook:
    """``url`` may be a secret: it is never logged."""

    def __init__(self, state: LoopState, url: str, pauses: tuple[float, ...] = PAUSES) -> None:
        self._state = state
        self._url = url
        self._pauses = pauses
        self._waiting: deque[Told] = deque()
        self._news = asyncio.Event()
        self._alarms: Mapping[VolumeName, Alarm] = {}

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
        now = {name: each.action for name, each in self._state.decisions.items() if isinstance(each.action, Alarm)}
        at, version = self._state.wall(), own_version()
        for name in sorted(now.keys() - self._alarms.keys()):
            self._tell(Told("alarm", name, at, version, now[name].why, now[name].cure))
        for name in sorted(self._alarms.keys() - now.keys()):
            self._tell(Told("alarm-over", name, at, version, self._state.why(name)))
        self._alarms = now

    def _tell(self, told: Told) -> None:
        if len(self._waiting) >= MOST_WAITING:
            lost = self._waiting.popleft()
            _log.warning("webhook.lost", volume=lost.volume, what=lost.event, why=f"{MOST_WAITING} others wait")
        self._waiting.append(told)
        self._news.set()

    async def _send(self) -> None:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                while not self._waiting:
                    self._news.clear()
                    await self._news.wait()
                await self._deliver(session, self._waiting.popleft())

    async def _deliver(self, session: aiohttp.ClientSession, told: Told) -> None:
        body = msgspec.json.encode(told)
        why = ""
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            why = await self._attempt(session, body)
            if not why:
                return
        _log.warning("webhook.lost", volume=told.volume, what=told.event, why=why)

    async def _attempt(self, session: aiohttp.ClientSession, body: bytes) -> str:
        """Why it was not taken; empty when it was."""
        headers = {"Content-Type": "application/json"}
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                return "" if answer.status < 300 else f"it answered {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"{type(error).__name__}"

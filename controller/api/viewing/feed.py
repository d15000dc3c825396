"""
Entries of the volumes' histories as they are written, for all who follow: one question a second, however many they are.

Entries come a little late and not in the order of their times (another leader's clock, an operation's own time), so
each poll asks for the last minute again, and what is known by then is left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from controller.protocol.operator import Events
from controller.protocol.views import EventsView, EventView

POLL_SECONDS = 1.0
LATE_SECONDS = 60.0
KEPT = 1000  # entries: who is slower than that has lost some

Ask = Callable[[Events], Awaitable[EventsView | str]]
Key = tuple[object, ...]


def key(event: EventView) -> Key:
    return event.volume, event.at, event.moment, event.text


class EventFeed:
    """``ask``: the entries since then, or why there is no answer. ``wall``: unix seconds."""

    def __init__(self, ask: Ask, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._polled: float | None = None
        self._newest = wall()
        self._known: dict[Key, float] = {}
        self._ring: deque[EventView] = deque(maxlen=KEPT)
        self._one = asyncio.Lock()
        self.number = 0  # of entries that were ever here
        self.problem: str | None = None

    async def refresh(self) -> None:
        async with self._one:
            now = self._clock()
            if self._polled is not None and now - self._polled < POLL_SECONDS:
                return
            found = await self._ask(Events(since=max(0.0, self._newest - LATE_SECONDS)))
            self._polled = self._clock()
            self.problem = found if isinstance(found, str) else None
            if isinstance(found, EventsView):
                self._take(found)

    def _take(self, found: EventsView) -> None:
        for each in found.events:
            if key(each) not in self._known:
                self._ring.append(each)
                self.number += 1
            self._known[key(each)] = each.at
            self._newest = max(self._newest, each.at)
        self._known = {each: at for each, at in self._known.items() if at >= self._newest - LATE_SECONDS}

    def after(self, number: int) -> tuple[EventView, ...] | None:
        """What came after so many entries; None where some of it is not kept any more."""
        behind = self.number - number
        if behind > len(self._ring):
            return None
        return tuple(self._ring)[len(self._ring) - behind :]

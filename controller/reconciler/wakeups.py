"""How those who wait in the controller are woken: `Broadcast` wakes all of them, `Wakeup` wakes the loop."""

from __future__ import annotations

import asyncio
from enum import Enum

SHORTEST = 0.001  # seconds: what is left after rounding must not make a waiter spin


class Broadcast:
    """Wakes everyone who waits. A waiter that checked before waiting, with no ``await`` between, misses nothing."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Until the next `fire`, or so many seconds."""
        event = self._event
        try:
            async with asyncio.timeout(max(seconds, SHORTEST)):
                await event.wait()
        except TimeoutError:
            return


class Urgent(Enum):
    """What must not wait behind the many small news of a busy swarm. No worker brings these about by itself."""

    POWER = "power"  # the hypervisor's events, and nodes that fell silent
    PLACED = "placed"  # Swarm placed a task elsewhere
    TERM = "term"  # this controller acts from now on


class Wakeup:
    """
    Asks the loop to look. Many calls before it looks are one; the first one's reason is logged.

    ``urgent``: what of that presses. ``pressed`` is fired for it.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._why = ""
        self.urgent: set[Urgent] = set()
        self.pressed = Broadcast()

    def __call__(self, why: str) -> None:
        if not self._event.is_set():
            self._why = why
        self._event.set()

    def press(self, urgent: Urgent, why: str) -> None:
        self(why)
        self.urgent.add(urgent)
        self.pressed.fire()

    async def wait(self, seconds: float) -> str | None:
        """The reason of the first call since the last look; None: none came in that time."""
        try:
            async with asyncio.timeout(max(seconds, SHORTEST)):
                await self._event.wait()
        except TimeoutError:
            return None
        return self._why

    def begin(self) -> None:
        """A look begins: it answers whatever was asked until now."""
        self._event.clear()
        self.urgent.clear()

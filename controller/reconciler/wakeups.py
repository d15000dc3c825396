"""How those who wait in the controller are woken: `Broadcast` wakes all of them, `Wakeup` wakes the loop."""

from __future__ import annotations

import asyncio

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


class Wakeup:
    """Asks the loop to look. Many calls before it looks are one; the first one's reason is logged."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._why = ""

    def __call__(self, why: str) -> None:
        if not self._event.is_set():
            self._why = why
        self._event.set()

    async def wait(self, seconds: float) -> str:
        """The reason of the first call since the last call, or that time has passed."""
        try:
            async with asyncio.timeout(max(seconds, SHORTEST)):
                await self._event.wait()
        except TimeoutError:
            return "time to look again"
        self._event.clear()
        return self._why

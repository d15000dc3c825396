"""Who wants to hear of what happens in the machine host, each with a queue of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import msgspec

EventWord = Literal["power-off", "power-on", "freeze", "thaw", "attached", "detached"]
_QUEUE = 1000


class Event(msgspec.Struct, frozen=True):
    vm: str
    event: EventWord


class Events:
    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event]] = set()

    def tell(self, vm: str, word: EventWord) -> None:
        for queue in tuple(self._queues):
            try:
                queue.put_nowait(Event(vm, word))
            except asyncio.QueueFull:
                self._queues.discard(queue)  # it does not read; its stream ends, and it lists again

    async def listen(self, idle: float) -> AsyncIterator[Event | None]:
        """Events as they come; None after ``idle`` seconds without one. Ends for a listener that is too slow."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)
        self._queues.add(queue)
        try:
            while queue in self._queues:
                try:
                    async with asyncio.timeout(idle):
                        event = await queue.get()
                except TimeoutError:
                    yield None
                else:
                    yield event
        finally:
            self._queues.discard(queue)

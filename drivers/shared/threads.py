"""
Blocking calls in threads of their own.

Such a call cannot be interrupted. A thread that got no answer in time is left behind, in doubt; only so many may be
left behind, after that whoever does not answer counts as not to be asked. The threads are daemons, which hold up no
exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from drivers.shared.faults import Doubt, NotSent

T = TypeVar("T")
MOST = 12  # a driver makes a few at a time: more can only be stuck ones


class Threads:
    def __init__(self, name: str, most: int = MOST) -> None:
        self._name = name
        self._most = most
        self._running = 0  # changed in the loop only

    async def run(self, act: Callable[[], T], seconds: float) -> T:
        """Raises what ``act`` raises, `NotSent` if it was not started, `Doubt` if it does not answer in time."""
        if self._running >= self._most:
            raise NotSent(f"{self._name}: {self._running} earlier calls still have no answer")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            self._running -= 1
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type] # None only if T is

        def deliver(result: T | None, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(lambda: settle(result, error))

        self._running += 1
        threading.Thread(
            target=_work,
            args=(act, deliver),
            name=self._name,
            daemon=True,
        ).start()
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise Doubt(f"{self._name} did not answer within {seconds:g} s") from None


def _work(act: Callable[[], T], settle: Callable[[T | None, BaseException | None], object]) -> None:
    try:
        result, error = act(), None
    except BaseException as caught:  # noqa: BLE001 - it is raised again, where it is awaited
        result, error = None, caught
    try:
        settle(result, error)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more

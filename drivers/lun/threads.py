"""
Calls that block, each in a thread of its own with an end.

A command to a LUN whose path is lost may hang for minutes in the kernel, where nothing ends it. Then its thread is left
behind, and that LUN is asked nothing more until it comes back: so no heap of threads grows, and no other LUN waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from controller.reservations.lun import BY_ID, Lun, opened
from controller.reservations.scsi import NoAnswer, NotSent

T = TypeVar("T")


class Reach(Protocol):
    """The way to the LUNs."""

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        """Raises NotSent, NoAnswer, Failed, Malformed of `controller.reservations`."""
        ...


class Threads:
    def __init__(self, seconds: float, by_id: Path = BY_ID) -> None:
        self._seconds = seconds
        self._by_id = by_id
        self._left: Counter[str] = Counter()  # threads that nobody waits for any more, by LUN

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        if self._left[lun]:
            raise NotSent(f"{lun} has not answered an earlier command yet")

        def work() -> T:
            with opened(lun, self._by_id) as found:
                return act(found)

        return await self._ended(lun, work, seconds or self._seconds)

    async def _ended(self, lun: str, work: Callable[[], T], seconds: float) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Callable[[], T]] = loop.create_future()

        def settle(result: Callable[[], T]) -> None:
            if answer.done():
                self._left[lun] -= 1
            else:
                answer.set_result(result)

        def run() -> None:
            result = _outcome(work)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, result)

        threading.Thread(target=run, name=f"lun {lun}", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                result = await answer
        except TimeoutError:
            raise NoAnswer(f"{lun} did not answer within {seconds:g} s") from None
        finally:
            if answer.cancelled():
                self._left[lun] += 1
        return result()


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised again in whoever waits
        return partial(_raise, error)
    return lambda: result


def _raise(error: BaseException) -> NoReturn:
    raise error

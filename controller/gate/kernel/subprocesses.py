"""
Programs and blocking calls that may hang on a sick disk.

Nothing here is ever killed: a program that sits in the kernel cannot be, and one that was killed half way (mkfs, fsck)
leaves a worse disk than a slow one. Who waits has the deadline; the work goes on, and no second one is started
(`Questions`): a thread that sits in the kernel is in doubt, not dead, and costs memory until its disk answers.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


STALL_SECONDS = 15.0  # a disk that answers at all does so long before, also while its paths or its host change


class ProgramMissing(Exception):
    """A program that the gate needs is not in its image."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last thing the program said, on one line, for a reason."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return "; ".join(lines[-3:]) or "it said nothing"


async def run(*argv: str) -> Ended:
    """Run a program to its end. Raises ProgramMissing."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": SEARCH_PATH}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
    except FileNotFoundError as error:
        raise ProgramMissing(
            f"the program {argv[0]} is not in the gate's image; rebuild the image and the plugin"
        ) from error
    out, err = await process.communicate()
    code = process.returncode
    return Ended(-1 if code is None else code, out.decode(errors="replace"), err.decode(errors="replace"))


async def in_thread(work: Callable[[], T]) -> T:
    """
    Run a blocking call in a thread of its own.

    Not in asyncio's pool: a few calls stuck on a dead disk would use that up, and it is joined at exit.
    """
    return await in_background(work)


def in_background(work: Callable[[], T]) -> asyncio.Future[T]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not future.done():
            set_it()

    def tell(set_it: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(settle, set_it)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def body() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 -- handed to the waiter, whatever it is
            failure = error
            tell(lambda: future.set_exception(failure))
        else:
            tell(lambda: future.set_result(result))

    threading.Thread(target=body, daemon=True).start()
    return future


class Stalled(Exception):
    """No answer for long. The question stays open, and who asks it again gets its answer when it comes."""


@dataclass(slots=True)
class _Open:
    since: float
    answer: asyncio.Future[Any]
    waiting: int = 0


class Questions:
    """
    Blocking calls that a disk has to answer. Each is under way once at most, however often it is asked: a disk that
    hangs costs one thread for each question about it, and holds who asks for ``patience`` seconds once.
    """

    def __init__(self, patience: float = STALL_SECONDS) -> None:
        self._patience = patience
        self._open: dict[str, _Open] = {}

    async def fresh(self, what: str, work: Callable[[], T]) -> T:
        """As `ask`, and what it answers was found out after this call: for what is evidence."""
        if what in self._open:
            await self.ask(what, work)
        return await self.ask(what, work)

    async def ask(self, what: str, work: Callable[[], T], unwanted: Callable[[T], None] | None = None) -> T:
        """
        ``what``: names the question, and what it is about, for people. ``unwanted`` is given a result that came when
        nobody waited any more. Raises Stalled, and whatever ``work`` raises.
        """
        now = asyncio.get_running_loop().time()
        question = self._open.get(what) or self._begin(what, work, unwanted, now)
        question.waiting += 1
        try:
            await asyncio.wait({question.answer}, timeout=max(0.0, question.since + self._patience - now))
        finally:
            question.waiting -= 1
        if not question.answer.done():
            raise Stalled(f"{what} has had no answer for more than {self._patience:.0f} s")
        found: T = question.answer.result()
        return found

    def _begin(self, what: str, work: Callable[[], T], unwanted: Callable[[T], None] | None, now: float) -> _Open:
        question = self._open[what] = _Open(now, in_background(work))

        def ended(answer: asyncio.Future[T]) -> None:
            del self._open[what]
            if answer.cancelled() or answer.exception() is not None or question.waiting:
                return
            if unwanted is not None:
                unwanted(answer.result())

        question.answer.add_done_callback(ended)
        return question

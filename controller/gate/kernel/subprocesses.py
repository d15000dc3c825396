"""
Programs and blocking calls that may hang on a sick disk.

Nothing here is ever killed: a program that sits in the kernel cannot be, and one that was killed half way (mkfs, fsck)
leaves a worse disk than a slow one. Who waits has the deadline; the work goes on, and no second one is started
(`Questions`): a thread that sits in the kernel is in doubt, not dead, and costs memory until its disk answers.

What may rightly take hours (fsck, mkfs, the replay of a journal) has no deadline: it is watched (`Watch`).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


STALL_SECONDS = 15.0  # a disk that answers at all does so long before, also while its paths or its host change
LOOK_SECONDS = 5.0
# Reads, writes, discards and flushes that were completed; see the kernel's Documentation/block/stat.rst. Older kernels
# have fewer fields.
COMPLETED, IN_FLIGHT = (0, 4, 11, 15), 8
LASTS = (
    "{}: it has run since {}, and the disk answers. On a large disk it may take hours: leave it alone, the task that "
    "waits then gets the volume"
)
NO_ANSWER = (
    "{}: it has run since {} and is stalled: the disk {} ({}) has answered nothing since {}. Look at the storage and "
    "at this node's kernel log. It is not ended, as half of it could harm the disk, and goes on when the disk answers; "
    "if that never does, drain this node and restart it"
)


_under_way: dict[int, tuple[str, ...]] = {}  # programs, by their process ID


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
    _under_way[process.pid] = argv
    try:
        out, err = await process.communicate()
    finally:
        del _under_way[process.pid]
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


@dataclass(frozen=True, slots=True)
class Signs:
    """
    What the kernel shows of a disk at a moment. ``done``: numbers of which one at least is another one as long as there
    is progress; ``awaited``: something waits for the disk.
    """

    done: tuple[int, ...]
    awaited: bool


class Watch:
    """
    Says of each step of a long work on one disk since when it runs, and whether the disk answers. Nothing is ended.

    It is what the steps are told to. The words change only when what they mean does, as each is a line in the log.
    """

    def __init__(
        self,
        disk: tuple[str, str],
        say: Callable[[str], None],
        suffer: Callable[[str | None], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``disk``: its path and its number. ``suffer`` is told why it is stalled, and with None that it is not."""
        self._disk, self._say, self._suffer, self._wall = disk, say, suffer, wall
        self._step, self._since, self._still, self._age = "", "", "", 0.0
        self._signs: Signs | None = None

    def __call__(self, step: str) -> None:
        self._step, self._since, self._age = step, self._now(), 0.0
        self._say(step)

    @contextmanager
    def over(self, signs: Callable[[], Signs]) -> Iterator[None]:
        """While this lasts. ``signs`` never waits for a disk."""
        loop, stopped, quiet = asyncio.get_running_loop(), False, 0.0

        def look() -> None:
            nonlocal quiet
            if stopped:
                return
            seen, before = signs(), self._signs
            quiet = quiet + LOOK_SECONDS if before is not None and seen.awaited and seen.done == before.done else 0.0
            self._signs = seen
            self._still = self._still if quiet else self._now()
            self._age += LOOK_SECONDS
            self._tell(stalled=quiet >= STALL_SECONDS)
            loop.call_later(LOOK_SECONDS, look)

        look()
        try:
            yield
        finally:
            stopped = True
            self._suffer(None)

    def _tell(self, *, stalled: bool) -> None:
        self._suffer(NO_ANSWER.format(self._step, self._since, *self._disk, self._still) if stalled else None)
        if self._step and not stalled and self._age > STALL_SECONDS:
            self._say(LASTS.format(self._step, self._since))

    def _now(self) -> str:
        return datetime.fromtimestamp(self._wall(), UTC).strftime("%H:%M:%S UTC")


def signs_of(path: str, number: str) -> Signs:
    """
    Of a disk, and of the programs of ours that were told its path. These files of the kernel wait for no disk.

    A disk that was taken has no numbers; a queue that is held back (a suspended map, a disk under reset) counts nothing
    as in flight, and then what waits for it is seen by the program's state alone.
    """
    fields = _numbers(Path("/sys/dev/block", number, "stat"))
    done = [fields[at] for at in COMPLETED if at < len(fields)]
    awaited = len(fields) > IN_FLIGHT and fields[IN_FLIGHT] > 0
    for pid in [pid for pid, argv in _under_way.items() if path in argv]:
        state, ticks = _program(pid)
        done += [pid, ticks]
        awaited = awaited or state == "D"
    return Signs(tuple(done), awaited)


def _numbers(file: Path) -> list[int]:
    try:
        return [int(each) for each in file.read_text("ascii").split()]
    except OSError:
        return []


def _program(pid: int) -> tuple[str, int]:
    """Its state, and what it has had of a processor; see proc(5). Its name may have spaces and brackets."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[11]) + int(fields[12])

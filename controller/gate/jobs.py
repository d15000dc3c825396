"""
Work that outlives the calls that wait for it.

Docker gives up on a call while the work goes on, and calls again: so a call waits for a job, which it starts or joins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Literal

import structlog

from controller.gate.kernel.subprocesses import Stalled
from controller.gate.state_file import StateUnwritable

log = structlog.get_logger()

Work = Callable[[], Awaitable[None]]


class GateError(Exception):
    """What Docker is told: it ends up in the ERROR column of `docker service ps`."""


class Interrupted(Exception):
    """A wait was ended: nobody waits for it any more, or the grant was taken back."""


class Job:
    """At most one piece of work of its kind is under way. Its outcome is what went wrong, or None."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[GateError | None] | None = None

    @property
    def running(self) -> bool:
        return self._outcome is not None

    def start(self, group: asyncio.TaskGroup, work: Work) -> None:
        """Nothing of its kind may be under way."""
        outcome: asyncio.Future[GateError | None] = asyncio.get_running_loop().create_future()
        self._outcome = outcome

        async def job() -> None:
            failure: GateError | None = GateError("the gate is being stopped")
            try:
                failure = await _outcome(work)
            finally:
                self._outcome = None
                if not outcome.done():
                    outcome.set_result(failure)

        group.create_task(job())

    async def outcome(self) -> GateError | None:
        """Wait for the end of what is under way, if anything is. Leaving the wait does not end the work."""
        return None if self._outcome is None else await asyncio.shield(self._outcome)


class TimedLock(asyncio.Lock):
    """A lock that knows for how long it has been held."""

    _since = 0.0

    async def acquire(self) -> Literal[True]:
        await super().acquire()
        self._since = asyncio.get_running_loop().time()
        return True

    @property
    def held_for(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time() - self._since if self.locked() else 0.0


class Waiters:
    """The calls that wait for one job. A wait inside the job ends when nobody waits for it any more."""

    def __init__(self) -> None:
        self.ids: tuple[str, ...] = ()  # who waits, each once, the first that came first
        self._calls: list[str] = []
        self._wait: asyncio.Timeout | None = None

    def join(self, mount_id: str) -> None:
        self._calls.append(mount_id)
        self.ids = tuple(dict.fromkeys(self._calls))

    def leave(self, mount_id: str) -> None:
        """One call of it ends; it may have been made twice."""
        self._calls.remove(mount_id)
        self.ids = tuple(dict.fromkeys(self._calls))
        if not self.ids:
            self.interrupt()

    def interrupt(self) -> None:
        if self._wait is not None and not self._wait.expired():
            self._wait.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """For waits only, never around work on the disk. Raises Interrupted."""
        wait: asyncio.Timeout | None = None
        try:
            async with asyncio.timeout(None) as wait:
                self._wait = wait
                try:
                    yield
                finally:
                    self._wait = None
        except TimeoutError as error:
            if wait is not None and wait.expired():
                raise Interrupted from error
            raise


class Repeats:
    """
    Mounts that Docker made again for a user that has the volume already: for `docker cp` with a container that runs.

    It does so under the container's own mount ID, and says Unmount for each of the two (moby, volume/mounts/mounts.go,
    `active`): the first Unmount is not that container's end. In memory only: dockerd starts the plugin when it starts.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._unanswered: AbstractSet[str] = frozenset()
        self._until = 0.0

    def may_come_again(self, ids: AbstractSet[str], seconds: float) -> None:
        """So long Docker may ask anew for what a gate that ended had counted, and not answered: that is no repeat."""
        self._unanswered, self._until = ids, asyncio.get_running_loop().time() + seconds

    def add(self, mount_id: str) -> None:
        if mount_id not in self._unanswered or asyncio.get_running_loop().time() >= self._until:
            self._ids.append(mount_id)

    def end(self, mount_id: str) -> bool:
        """Whether there was one; it is over then."""
        known = mount_id in self._ids
        if known:
            self._ids.remove(mount_id)
        return known


async def _outcome(work: Work) -> GateError | None:
    try:
        await work()
    except GateError as error:
        return error
    except (StateUnwritable, Stalled) as error:
        return GateError(str(error))
    except Interrupted:
        return GateError("nobody waited for it any more")
    except Exception as error:  # a crash of the plugin would take every volume of the node with it
        log.exception("job.failed")
        return GateError(f"{type(error).__name__}: {error}")
    return None


async def for_ever(work: Work) -> None:
    """A mistake in one round must not end the plugin: dockerd's next start would suffer. It is logged, and goes on."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("loop.failed")
        await asyncio.sleep(1)

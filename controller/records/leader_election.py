"""
Who acts among the controllers: the shell that lives by `leadership_rule`.

The controller on Swarm's own leader takes the epoch by compare-and-set and beats. If the holder's record stands still
for ``patience`` seconds of our own clock, any manager may take it. Safety does not rest on this election but on the
epoch: whoever was deposed finds out at its next write, and one precedes every call to the storage
(`Leader.still_acting`). A read would not do: a Swarm leader that lost its quorum unnoticed still answers reads.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from controller.model import Epoch, NodeId, PausedPart
from controller.records.base import Leadership, PartsChange, Records, RecordsUnavailable, Stale
from controller.records.leadership_rule import Beat, Follow, Take, Timing, View, step
from controller.records.pauses import lasting, over
from watchers.base import SwarmManagers, SwarmUnread

_log = structlog.get_logger(__name__)


class Leader:
    """
    The shell around `step`. `run` it for ever; ask ``epoch`` whether this controller acts.

    ``managers`` may raise SwarmUnread;
    ``changed`` is called when the epoch, the acting controller or the pause changed; ``clock`` is monotonic.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- joined once, in app.py
        self,
        records: Records,
        me: NodeId,
        address: str,
        managers: Callable[[], Awaitable[SwarmManagers]],
        changed: Callable[[str], None],
        clock: Callable[[], float],
        timing: Timing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._me = me
        self._address = address
        self._managers = managers
        self._changed = changed
        self._clock = clock
        self._timing = timing if timing is not None else Timing()
        self._writing = asyncio.Lock()
        self._record: Leadership | None = None
        self._mine: Epoch | None = None
        self._acting = False
        self._proved = self._moved = self._started = clock()
        self._hurried = False
        self._unread = ""  # why the record of who acts could not be read or written the last time
        self._wall = wall

    @property
    def epoch(self) -> Epoch | None:
        """The epoch under which this controller acts; None when it does not, or did not prove it for too long."""
        fresh = self._clock() - self._proved < self._timing.patience
        return self._mine if self._acting and fresh else None

    @property
    def paused(self) -> str | None:
        """One that had an end, and is over, is none."""
        reason = self._record.paused if self._record is not None else None
        return None if reason is None or over(reason, self._wall()) else reason

    @property
    def paused_parts(self) -> tuple[PausedPart, ...]:
        return lasting(self._record.paused_parts, self._wall()) if self._record is not None else ()

    @property
    def acting_address(self) -> str | None:
        """Where the acting controller is, host:port, as far as known here."""
        return self._record.address if self._record is not None else None

    async def run(self) -> None:
        """For ever. Only bugs leave it."""
        while True:
            await self._turn()
            wait = self._timing.poll if self.epoch is None else min(self._timing.poll, self._timing.beat)
            if self._hurried and self.epoch is None:
                wait = self._timing.hurry
            await asyncio.sleep(wait * (0.75 + random.random() / 4))  # noqa: S311 -- only keeps managers out of step

    async def still_acting(self, epoch: Epoch) -> bool:
        """
        Proven by a write through Swarm's Raft that began after this call. Raises RecordsUnavailable.

        Calls that arrive together share one write.
        """
        asked = self._clock()
        async with self._writing:
            if self._proved <= asked or self.epoch is None:
                await self._prove()
            return self.epoch == epoch

    async def new_epoch(self, above: Epoch | None = None) -> bool:
        """See `Acting`."""
        async with self._writing:
            await self._prove()
            if self.epoch is None:
                return False
            why = "a call of the last epoch is in doubt" if above is None else f"epoch {above} was met"
            return await self._take(why, above)

    async def pause(self, reason: str | None) -> bool:
        """Write a person's reason to do nothing, or None to go on. False when we do not act by now."""
        async with self._writing:
            await self._prove(lambda record: replace(record, paused=reason))
            return self.epoch is not None

    async def pause_parts(self, change: PartsChange) -> bool:
        """See `Acting`."""
        async with self._writing:
            await self._prove(
                lambda record: replace(record, paused_parts=change(lasting(record.paused_parts, self._wall())))
            )
            return self.epoch is not None

    async def _turn(self) -> None:
        try:
            async with self._writing:
                await self._decide()
        except RecordsUnavailable as error:
            if not self._acting and self._unread != str(error):
                _log.warning("leadership.unread", why=str(error))
            self._unread = str(error)
            self._stop(str(error))
            self._hurried = True
            self._moved = self._clock()  # what we could not watch did not stand still
        else:
            self._unread = ""

    async def _look(self) -> SwarmManagers:
        """The record of who acts is seen; who leads Swarm is in the answer. Raises RecordsUnavailable."""
        try:
            async with asyncio.timeout(self._timing.held if self._hurried and self.epoch is None else None):
                self._see(await self._records.leadership())
                # Who acts does not ask: it only matters for taking over, and a beat must not wait for the answer.
                return SwarmManagers(self._me) if self._holds(self._record) else await self._led()
        except TimeoutError as error:
            raise RecordsUnavailable(
                f"Swarm did not answer within {self._timing.held:g} s: it chooses a leader"
            ) from error

    async def _decide(self) -> None:
        found = await self._look()
        leader, record = found.leader, self._record
        away = record is not None and record.holder not in found.reachable
        self._hurried = leader is None or (record is not None and leader != record.holder)
        now = self._clock()
        view = View(self._me, leader, record, now - self._moved, self._mine, now - self._started, away)
        match step(view, self._timing):
            case Beat():
                due = self._proved + self._timing.beat - self._timing.poll / 2  # the next look would be too late
                if not self._acting or now >= due:
                    await self._prove()
            case Take(why):
                await self._take(why)
            case Follow(why):
                self._stop(why)

    def _holds(self, record: Leadership | None) -> bool:
        return record is not None and (record.holder, record.epoch) == (self._me, self._mine)

    async def _led(self) -> SwarmManagers:
        try:
            return await self._managers()
        except SwarmUnread:
            return SwarmManagers()

    async def _prove(self, change: Callable[[Leadership], Leadership] = lambda record: record) -> None:
        """Beat. Ends with ``epoch`` set when this controller acts for sure, else None. Raises RecordsUnavailable."""
        for _ in range(3):  # another controller's word about a pause makes a beat stale, not us deposed
            record = self._record
            if record is None or not self._holds(record):
                self._stop("another controller took the next epoch")
                return
            if await self._write(replace(change(record), beat=record.beat + 1)):
                return
        self._stop("the record of who acts is changed by others all the time")

    async def _take(self, why: str, above: Epoch | None = None) -> bool:
        record = self._record
        taken = Leadership(
            epoch=Epoch(max(record.epoch if record is not None else 0, above or 0) + 1),
            holder=self._me,
            address=self._address,
            paused=self.paused,
            paused_parts=self.paused_parts,
            version=record.version if record is not None else 0,
        )
        self._acting, self._mine = False, None  # if the answer is lost, the epoch may be ours without our knowing
        if not await self._write(taken):
            return False
        self._mine = taken.epoch
        _log.info("leadership.taken", why=why, epoch=taken.epoch)
        self._act()
        return True

    async def _write(self, record: Leadership) -> bool:
        """True when written. When somebody else was first, the newest record is read. Raises RecordsUnavailable."""
        began = self._clock()
        try:
            written = await self._records.replace_leadership(record)
            if isinstance(written, Stale):
                self._see(await self._records.leadership())
                return False
        except RecordsUnavailable as error:
            self._stop(str(error))
            raise
        self._see(written)
        self._proved = began
        if written.epoch == self._mine:
            self._act()
        return True

    def _act(self) -> None:
        if not self._acting:
            self._acting = True
            self._changed(f"this controller acts under epoch {self._mine}")

    def _stop(self, why: str) -> None:
        if self._acting:
            self._acting = False
            _log.warning("leadership.lost", why=why, epoch=self._mine)
            self._changed(why)

    def _see(self, record: Leadership | None) -> None:
        before, self._record = self._record, record
        if _sign(before) != _sign(record):
            self._moved = self._clock()
        if _who(before) != _who(record) and record is not None:
            self._changed(f"node {record.holder} acts under epoch {record.epoch}")


def _sign(record: Leadership | None) -> tuple[Epoch, int] | None:
    return (record.epoch, record.beat) if record is not None else None


def _who(record: Leadership | None) -> tuple[object, ...] | None:
    return (record.holder, record.epoch, record.paused, record.paused_parts) if record is not None else None

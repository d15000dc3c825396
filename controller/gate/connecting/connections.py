"""
Orders to connect and disconnect, from the controller's answer to the gate's word about them.

A disk may answer late, or never: then the word is "in doubt", the work goes on, and the disk's next order is in doubt
as well until it ended. Nothing is begun here that was not ordered, and nothing again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec
import structlog

from controller.gate.kernel.connecting.connector import Word
from controller.gate.state_file import StateFile, StateUnwritable
from controller.model import Connection
from controller.protocol.bounds import shortened
from controller.protocol.connecting.orders import MOST_ORDERS, Carried, Connect
from controller.protocol.messages import Orders

log = structlog.get_logger()

ANSWER_SECONDS = 15.0
REMEMBERED = 4 * MOST_ORDERS
OLD = "it is of epoch {}, and this gate has met epoch {}: another controller acts"
UNKNOWN = "this gate knows no connection of the kind {!r}"
BUSY = "an earlier order for this disk has not ended: the disk does not answer"
SILENT = "the disk has not answered for {:.0f} s; it may happen yet"


class Connecting(Protocol):
    """Of `kernel.host.Host`."""

    @property
    def kinds(self) -> tuple[str, ...]: ...

    def carry_out(self, what: Connection, *, undo: bool) -> asyncio.Future[Word]: ...


class Connections:
    """``news``: called when there is something to report."""

    def __init__(self, host: Connecting, store: StateFile, news: Callable[[], None]) -> None:
        self._host = host
        self._store = store
        self._news = news
        self._orders: asyncio.Queue[tuple[Connect, bool]] = asyncio.Queue()
        self._under_way: set[str] = set()  # orders
        self._busy: set[str] = set()  # disks
        self._said: dict[str, Carried] = {}  # not yet told
        self._told: deque[str] = deque(maxlen=REMEMBERED)

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._host.kinds

    def report(self) -> tuple[Carried, ...]:
        return tuple(self._said.values())[:MOST_ORDERS]

    def told(self, said: Iterable[Carried]) -> None:
        """The controller has answered a report that had these."""
        for each in said:
            if self._said.pop(each.order, None) is not None:
                self._told.append(each.order)

    def obey(self, orders: Orders) -> None:
        """Begin with those that are new: an order is said again until it was answered."""
        for order, undo in _both(orders):
            if order.order not in self._under_way and order.order not in self._said and order.order not in self._told:
                self._under_way.add(order.order)
                self._orders.put_nowait((order, undo))

    async def run(self) -> None:
        """Until cancelled; what is in a thread then goes on."""
        async with asyncio.TaskGroup() as group:
            while True:
                order, undo = await self._orders.get()
                group.create_task(self._carry(order, undo=undo))

    async def _carry(self, order: Connect, *, undo: bool) -> None:
        word = await self._word(order, undo=undo)
        log.info("order.carried_out", disk=order.disk, undo=undo, outcome=word.outcome, why=word.why or "it is so now")
        self._said[order.order] = Carried(order.order, word.outcome, shortened(word.why))
        self._under_way.discard(order.order)
        self._news()

    async def _word(self, order: Connect, *, undo: bool) -> Word:
        if order.kind not in self.kinds:
            return Word("refused", UNKNOWN.format(order.kind))
        if (refused := await self._refusal(order)) is not None:
            return refused
        if order.disk in self._busy:
            return Word("in-doubt", BUSY)
        self._busy.add(order.disk)
        work = self._host.carry_out(order.connection(), undo=undo)
        work.add_done_callback(lambda _: self._busy.discard(order.disk))
        await asyncio.wait({work}, timeout=ANSWER_SECONDS)
        if not work.done():
            return Word("in-doubt", SILENT.format(ANSWER_SECONDS))
        failure = work.exception()
        return work.result() if failure is None else Word("in-doubt", f"{type(failure).__name__}: {failure}")

    async def _refusal(self, order: Connect) -> Word | None:
        """The epoch is kept before anything is done under it: an older one is refused after a restart, too."""
        try:
            await self._store.change(lambda now: msgspec.structs.replace(now, epoch=max(now.epoch, order.epoch)))
        except StateUnwritable as error:
            return Word("refused", str(error))
        met = self._store.now.epoch
        return Word("refused", OLD.format(order.epoch, met)) if order.epoch < met else None


def _both(orders: Orders) -> Iterator[tuple[Connect, bool]]:
    yield from ((each, False) for each in orders.connects)
    yield from ((each, True) for each in orders.disconnects)

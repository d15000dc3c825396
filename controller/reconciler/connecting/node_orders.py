"""
`drivers.nodes.Nodes` over the gates' long polls: an order waits for the next answer to a gate's sync, and the gate's
word about it comes with a later sync.

In memory only: whoever orders waits here for so long, and what is not answered until then is in doubt.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from controller.model import Connection, VmId
from controller.protocol.connecting.orders import MOST_ORDERS, Carried, Connect, connect
from controller.protocol.messages import Orders
from controller.reconciler.gate_reports import GateReports
from controller.reconciler.wakeups import Broadcast
from drivers.base import Done, InDoubt, Outcome, Refused, Unreachable

log = structlog.get_logger()

PATIENCE = 20.0  # seconds: a disk that answers at all does so sooner (`STALL_SECONDS` of the gate)
GATE_FRESH = 40.0
UNHEARD = "the gate of VM {} was not heard for {:.0f} s: on that node, `docker plugin ls` (reberth must be enabled)"
NEVER_HEARD = "no gate of VM {} was heard by this controller yet: on that node, `docker plugin ls`"
TOO_OLD = "the gate of VM {} cannot {} a disk: it is of an older version (`reberth upgrade` says how it is renewed)"
NOT_ASKED = "the gate of VM {} did not come for the order within {:g} s"
NO_ANSWER = "the gate of VM {} has the order, and did not say within {:g} s what became of it"


@dataclass(slots=True, eq=False)
class _Order:
    vm: VmId
    message: Connect
    undo: bool
    answer: asyncio.Future[Carried]
    sent: bool = False


class NodeOrders:
    """``patience``: seconds for which an order is waited for. ``fresh``: for which a gate's word counts."""

    def __init__(self, gates: GateReports, changed: Broadcast, clock: Callable[[], float]) -> None:
        self._gates = gates
        self._changed = changed
        self._clock = clock
        self.patience = PATIENCE
        self.fresh = GATE_FRESH
        self._orders: dict[str, _Order] = {}

    async def connect(self, vm: VmId, what: Sequence[Connection]) -> Sequence[Outcome]:
        return await self._order(vm, what, undo=False)

    async def disconnect(self, vm: VmId, what: Sequence[Connection]) -> Sequence[Outcome]:
        return await self._order(vm, what, undo=True)

    async def _order(self, vm: VmId, what: Sequence[Connection], *, undo: bool) -> Sequence[Outcome]:
        orders = [self._unreachable(vm, each) or self._put(vm, each, undo) for each in what]
        waiting = [each for each in orders if isinstance(each, _Order)]
        try:
            if waiting:
                self._changed.fire()  # the gate's poll is answered now
                await asyncio.wait([each.answer for each in waiting], timeout=self.patience)
        finally:
            for each in waiting:
                del self._orders[each.message.order]
        return [self._outcome(each) if isinstance(each, _Order) else each for each in orders]

    def _unreachable(self, vm: VmId, what: Connection) -> Unreachable | None:
        heard = self._gates.newest(vm)
        if heard is None:
            return Unreachable(NEVER_HEARD.format(vm))
        if self._clock() - heard.at > self.fresh:
            return Unreachable(UNHEARD.format(vm, self._clock() - heard.at))
        return None if what.kind.value in heard.kinds else Unreachable(TOO_OLD.format(vm, what.kind.value))

    def _put(self, vm: VmId, what: Connection, undo: bool) -> _Order:
        name = secrets.token_hex(16)  # another one than any controller's: an answer to its order is none to ours
        answer: asyncio.Future[Carried] = asyncio.get_running_loop().create_future()
        made = self._orders[name] = _Order(vm, connect(name, what), undo, answer)
        log.info(
            "node.ordered", vm=vm, disk=what.disk, order=name, undo=undo, why="the storage is given or taken there"
        )
        return made

    def _outcome(self, order: _Order) -> Outcome:
        if not order.answer.done():
            text = (NO_ANSWER if order.sent else NOT_ASKED).format(order.vm, self.patience)
            return InDoubt(text) if order.sent else Unreachable(text)
        said = order.answer.result()
        if said.outcome == "done":
            return Done()
        return Refused(said.why) if said.outcome == "refused" else InDoubt(said.why)

    # For the gate's requests.

    def beside(self, vm: VmId, orders: Orders) -> Orders:
        """What is told to this gate, with what waits for it: that counts as sent from now on."""
        waiting = [each for each in self._orders.values() if each.vm == vm and not each.answer.done()][:MOST_ORDERS]
        if not waiting:
            return orders
        for each in waiting:
            each.sent = True
        connects, disconnects = (tuple(each.message for each in waiting if each.undo is undo) for undo in (False, True))
        return msgspec.structs.replace(orders, connects=connects, disconnects=disconnects)

    def heard(self, vm: VmId, carried: Iterable[Carried]) -> None:
        """The word of the gate on this VM, about orders of ours and perhaps of others."""
        for each in carried:
            order = self._orders.get(each.order)
            if order is not None and order.vm == vm and not order.answer.done():
                log.info("node.obeyed", vm=vm, order=each.order, outcome=each.outcome, why=each.why or "it is so now")
                order.answer.set_result(each)

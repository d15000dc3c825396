"""
One LUN, asked and changed by one controller: what a change rests on is that this controller holds the reservation.

The order is always the same: register the own key, look, act. Whoever takes over does so too, and takes the keys of all
other controllers away, at the LUN and in one step with the reservation. So of two controllers that act at once one sees
the other's key, or its own is gone and the LUN refuses what it does next. There is no moment without a holder: a
reservation goes from one key to the next by a preemption, and is made anew only where there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from controller.model import Epoch, VmId
from controller.reservations import codec, scsi
from controller.reservations.keys import NodeKey, PoolKey, pool_number, who_is
from controller.reservations.lun import Lun
from controller.reservations.state import State
from drivers.lun.looking import Look, Seat, held_by, nodes, pools, refusal, seat
from drivers.lun.reach import Reach
from drivers.shared.faults import CallError, Doubt, Fault, NotSent

T = TypeVar("T")


class Refusal(Fault):
    """The LUN's own word, or what is on it: for sure not done."""


class Conflict(Refusal):
    """See `scsi.Conflict`."""


class Luns:
    """``instance``: 16 bits that are this controller process's own."""

    def __init__(self, reach: Reach, pool: str, instance: int) -> None:
        self._reach, self._pool, self._instance = reach, pool, instance

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        """Raises CallError."""
        try:
            return await self._reach.ask(lun, act, seconds)
        except scsi.NotSent as error:
            raise NotSent(str(error)) from None
        except scsi.Conflict:
            raise Conflict(f"{lun} refuses it: reservation conflict") from None
        except scsi.Failed as error:
            raise Refusal(f"{lun}: {error}") from None
        except (scsi.NoAnswer, codec.Malformed) as error:
            raise Doubt(f"{lun}: {error}") from None

    async def look(self, luns: Sequence[str], machines: Mapping[int, VmId], seconds: float) -> Look:
        """All of them, at about the same time. Raises CallError when nothing can be read."""
        found = await asyncio.gather(*(self._seat(lun, seconds) for lun in luns))
        seats = {each.lun: each for each in found if isinstance(each, Seat)}
        lost = {lun: each for lun, each in zip(luns, found, strict=True) if isinstance(each, CallError)}
        if not seats:
            raise next(iter(lost.values()))
        return Look(self._pool, machines, seats, {lun: str(each) for lun, each in lost.items()})

    async def _seat(self, lun: str, seconds: float) -> Seat | CallError:
        try:
            return seat(lun, await self.ask(lun, Lun.look, seconds))
        except CallError as error:
            return error

    def own(self, epoch: Epoch) -> int:
        """Raises Refusal."""
        try:
            return PoolKey(pool_number(self._pool), self._instance, epoch).number
        except ValueError as error:
            raise Refusal(str(error)) from None

    async def take(self, lun: str, epoch: Epoch) -> State:
        """
        What is on the LUN, once this controller holds it under this epoch and no other one is registered. From then on
        nobody writes but those in it, and what another controller began is refused. Raises CallError.
        """
        own = self.own(epoch)
        state = await self.ask(lun, Lun.state)
        self._check(lun, state, epoch)
        await self._register(lun, state, own)
        state = await self.ask(lun, Lun.state)
        try:
            self._check(lun, state, epoch)
        except Refusal:
            await self._leave(lun, state, own)
            raise
        if self._alone(state, own):
            return state
        await self._seize(lun, state, own)
        state = await self.ask(lun, Lun.state)
        self._check(lun, state, epoch)
        if not self._alone(state, own):
            raise Doubt(f"{lun}: another controller takes it at the same time")
        return state

    async def _register(self, lun: str, state: State, own: int) -> None:
        """
        In place of a controller's key alone, of this process or of one before it on this machine. Also where the key is
        there already: it may be that of the nexus before the last login.

        One nexus has one key. If a node's gate came by the same one, its key would be covered up: the node would count
        as cut off, and write for as long as this controller may. Raises Refusal.
        """
        earlier = sorted({each.number for each in pools(state, self._pool)} - {own})
        for old in [*([own] if own in state.keys else []), 0, *earlier]:
            with suppress(Conflict):
                return await self.ask(lun, partial(Lun.register, old=old, new=own))
        raise Refusal(
            f"{lun} knows this machine by a key that is no controller's: its gate comes by the same initiator. Give "
            "controllers an initiator of their own, or managers no tasks with volumes (docs/luns.md)"
        )

    async def _seize(self, lun: str, state: State, own: int) -> None:
        held = state.reservation
        others = {each.number for each in pools(state, self._pool)} - {own}
        if held is None:
            await self.ask(lun, partial(Lun.reserve, own=own))
        elif held.key != own:
            await self.ask(lun, partial(Lun.preempt, own=own, other=held.key))
            others.discard(held.key)
        for each in sorted(others):
            with suppress(Conflict):  # it is gone by itself, or we are: the keys are read next
                await self.ask(lun, partial(Lun.preempt, own=own, other=each))

    def _check(self, lun: str, state: State, epoch: Epoch) -> None:
        """Raises Refusal."""
        if (why := refusal(lun, state, self._pool, epoch)) is not None:
            raise Refusal(why)

    def _alone(self, state: State, own: int) -> bool:
        return held_by(state, own) and {each.number for each in pools(state, self._pool)} == {own}

    async def _leave(self, lun: str, state: State, own: int) -> None:
        """A key that only says that we were late. The holder's stays: with it the reservation would go."""
        if state.reservation is not None and state.reservation.key != own:
            with suppress(CallError):  # whoever came later takes it away
                await self.ask(lun, partial(Lun.register, old=own, new=0))

    async def cut(self, lun: str, vm: VmId, epoch: Epoch) -> State:
        """
        No nexus of this VM can write to the LUN any more, and what it had under way is aborted: read back. Raises
        CallError.
        """
        state, own = await self.take(lun, epoch), self.own(epoch)
        for key in sorted({each.number for each in _of(state, vm)}):
            with suppress(Conflict):  # the key is gone by itself, or ours is: read next
                await self.ask(lun, partial(Lun.preempt, own=own, other=key))
        state = await self.ask(lun, Lun.state)
        if not held_by(state, own):
            raise Doubt(f"{lun}: another controller has taken it meanwhile")
        if _of(state, vm):
            raise Doubt(f"{lun}: a key of VM {vm} is there (again)")
        return state


def _of(state: State, vm: VmId) -> list[NodeKey]:
    return [each for each in nodes(state) if each.who == who_is(vm)]

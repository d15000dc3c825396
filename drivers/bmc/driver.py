"""
One power driver over any number of BMCs.

A BMC that does not answer says nothing about its machine, also when it died with it: a power supply that failed takes
both. So there is no error for the whole: each machine is unknown by itself, and the log says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

import structlog

from controller.model import Power, VmId
from drivers.base import PowerEvent
from drivers.bmc.base import Bmc, Timing
from drivers.bmc.errors import Unread
from drivers.shared.smbios import orders

log = structlog.get_logger(__name__)
AT_ONCE = 16  # BMCs that are asked at the same time
POLL = 0.3  # seconds between two reads while a machine goes off

States = dict[int, Mapping[str, Power]]
"""Index of a BMC -> UUID -> power."""


class BmcDriver:
    def __init__(self, bmcs: Sequence[Bmc], timing: Timing, close: Callable[[], Awaitable[None]] | None = None) -> None:
        self._bmcs = bmcs
        self._timing = timing
        self._close = close
        self._locks = [asyncio.Lock() for _ in bmcs]  # BMCs are small computers
        self._places = asyncio.Semaphore(AT_ONCE)
        self._said: dict[str, str] = {}
        # UUID -> which BMCs ever said that they have it. Only where to look first; two for one are never believed.
        self._owners: dict[str, set[int]] = {}

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        homes = {vm: self._home(vm) for vm in vms}
        asked = {index for home in homes.values() if home is not None for index in home}
        states = await self._read(asked)
        if any(home is None or _moved(vm, home, states) for vm, home in homes.items()):
            states |= await self._read(set(range(len(self._bmcs))) - asked)
        return {vm: self._judge(vm, states) for vm in vms}

    def _home(self, vm: VmId) -> set[int] | None:
        found = {index for each in orders(vm) for index in self._owners.get(each, ())}
        return found or None

    def _judge(self, vm: VmId, states: States) -> Power:
        home = self._home(vm) or set()
        if len(home) > 1:
            names = ", ".join(sorted(self._bmcs[index].name for index in home))
            self._say(vm, f"several BMCs say that they have this machine: {names}. Give each its vm in the settings")
            return Power.UNKNOWN
        found = [power for index in home for power in _found(vm, {index}, states)]
        if len(found) == 1:
            self._said.pop(vm, None)
            return found[0]
        if len(found) > 1:
            self._say(vm, "one BMC says that several of its systems are this machine: name its system in the settings")
        elif not home:
            self._say(vm, "no BMC in [power] that answers says that it has this machine")
        return Power.UNKNOWN

    async def _read(self, indexes: set[int]) -> States:
        """Of those that answered."""
        async with asyncio.TaskGroup() as group:
            tasks = {index: group.create_task(self._read_one(index)) for index in sorted(indexes)}
        answers = {index: task.result() for index, task in tasks.items()}
        return {index: answer for index, answer in answers.items() if answer is not None}

    async def _read_one(self, index: int) -> Mapping[str, Power] | None:
        bmc = self._bmcs[index]
        try:
            async with self._places, asyncio.timeout(self._timing.deadline), self._locks[index]:
                states = await bmc.read()
        except (Unread, TimeoutError) as error:
            self._say(bmc.name, str(error) or f"no answer within {self._timing.deadline:g} s")
            return None
        self._said.pop(bmc.name, None)
        for uuid in states:
            self._owners.setdefault(uuid, set()).add(index)
        return states

    async def power_off(self, vm: VmId) -> Power:
        """Nothing is believed about the order itself: what is read after it counts, also when it failed."""
        power = (await self.power([vm]))[vm]
        home = self._home(vm)
        if power is Power.OFF or home is None or len(home) > 1:
            return power
        (index,) = home
        try:
            async with asyncio.timeout(self._timing.off_deadline):
                ordered = await self._order_off(index, vm)
                while (power := (await self.power([vm]))[vm]) is not Power.OFF and ordered:  # noqa: ASYNC110 - a BMC wakes nobody
                    await asyncio.sleep(POLL)
        except TimeoutError:  # perhaps of the order itself: it may have come to pass all the same
            power = (await self.power([vm]))[vm]
            if power is not Power.OFF:
                log.warning("power_off.unsure", vm=vm, why=f"not read as off within {self._timing.off_deadline:g} s")
        return power

    async def _order_off(self, index: int, vm: VmId) -> bool:
        """False: it was told that nothing comes of it, so nothing is waited for."""
        bmc = self._bmcs[index]
        uuid = next(each for each in sorted(orders(vm)) if index in self._owners.get(each, ()))
        try:
            async with self._locks[index]:
                await bmc.order_off(uuid)
        except Unread as error:
            log.warning("power_off.refused", vm=vm, bmc=bmc.name, why=str(error))
            return False
        return True

    async def watch_power(self) -> AsyncIterator[PowerEvent]:
        """BMCs call nobody: they are looked at. Every controller does, so that a change of leaders misses nothing."""
        if self._timing.watch_every == 0:
            await asyncio.Event().wait()
        before: dict[str, Power] | None = None
        while True:
            states = await self._read(set(range(len(self._bmcs))))
            now = {uuid: power for each in states.values() for uuid, power in each.items()}
            for event in _changes(before, now):
                yield event
            before = (before or {}) | now
            await asyncio.sleep(self._timing.watch_every)

    async def close(self) -> None:
        if self._close is not None:
            await self._close()

    def _say(self, about: str, why: str) -> None:
        """Once, until it changes."""
        if self._said.get(about) != why:
            self._said[about] = why
            log.warning("power.unread", about=about, why=why)


def _changes(before: Mapping[str, Power] | None, now: Mapping[str, Power]) -> Iterator[PowerEvent]:
    """``before`` None: nothing was seen yet, so anything may have changed."""
    if before is None:
        yield PowerEvent(None)
        return
    for uuid in sorted(now):
        if now[uuid] is not before.get(uuid):
            yield from (PowerEvent(VmId(name)) for name in sorted(orders(uuid)))


def _moved(vm: VmId, home: set[int], states: States) -> bool:
    """The BMC that had it answers, and has it no more; one that is away may have it still."""
    return home <= set(states) and not _found(vm, home, states)


def _found(vm: VmId, indexes: set[int], states: States) -> list[Power]:
    both = orders(vm)
    return [power for index in indexes for uuid, power in states.get(index, {}).items() if uuid in both]

"""The watch over power and disks: pokes, for ever."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from controller.model import VmId
from drivers.base import PowerEvent
from drivers.shared.faults import Doubt, NotSent
from drivers.vsphere.inventory import orders
from drivers.vsphere.power import Source, watch_source
from drivers.vsphere.requests import Update

UUID = "420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b"
POKES = [PowerEvent(VmId(each)) for each in sorted(orders(UUID))]


class Script:
    """Sources one after the other; each gives its updates and is then lost. `None` in the list cannot be connected."""

    def __init__(self, *sources: list[Update | None] | None) -> None:
        self._sources: Iterator[list[Update | None] | None] = iter(sources)
        self.closed = 0

    def connect(self) -> Source:
        updates = next(self._sources, None)
        if updates is None:
            raise NotSent("nobody there")
        return Scripted(self, updates)


class Scripted:
    def __init__(self, script: Script, updates: list[Update | None]) -> None:
        self._script = script
        self._updates: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
        for each in updates:
            self._updates.put(each)

    def wait(self, seconds: int) -> Update | None:
        if self._updates.empty():
            raise Doubt("the connection is gone")
        return self._updates.get()

    def close(self) -> None:
        self._script.closed += 1


async def take(script: Script, count: int) -> list[PowerEvent]:
    found: list[PowerEvent] = []
    async with asyncio.timeout(3600), aclosing(watch_source(script.connect, jitter=lambda: 1.0)) as events:  # type: ignore[type-var]
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_the_first_event_says_only_that_one_should_look() -> None:
    assert await take(Script([Update({"vm-1": UUID})]), 1) == [PowerEvent(None)]


async def test_a_change_is_told_under_both_orders_of_the_vms_uuid() -> None:
    script = Script([Update({"vm-1": UUID}), Update({"vm-1": None})])
    assert await take(script, 3) == [PowerEvent(None), *POKES]


async def test_a_change_of_a_host_concerns_everybody() -> None:
    script = Script([Update({"vm-1": UUID, "host-1": None}), Update({"host-1": None, "vm-1": None})])
    assert await take(script, 2) == [PowerEvent(None), PowerEvent(None)]


async def test_an_idle_wait_is_no_event() -> None:
    script = Script([Update({"vm-1": UUID}), None, None, Update({"vm-1": None})])
    assert await take(script, 3) == [PowerEvent(None), *POKES]


@pytest.mark.looptime
async def test_a_lost_source_is_replaced_and_the_gap_is_told() -> None:
    script = Script([Update({"vm-1": UUID})], None, None, [Update({"vm-1": UUID})])
    assert await take(script, 2) == [PowerEvent(None), PowerEvent(None)]
    assert script.closed == 2


@pytest.mark.looptime
async def test_pauses_grow_to_half_a_minute_while_nobody_is_there() -> None:
    started = asyncio.get_running_loop().time()
    script = Script(*[None] * 8, [Update({"vm-1": UUID})])
    assert await take(script, 1) == [PowerEvent(None)]
    waited = asyncio.get_running_loop().time() - started
    assert waited == pytest.approx(0.5 + 1 + 2 + 4 + 8 + 16 + 30 + 30, abs=1)

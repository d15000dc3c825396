"""What every power driver must say and do: the behaviours that `PowerDriver` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from reberth.driver import Power, PowerEvent, VmId
from reberth.testing.rigs import Kind, PowerRig


async def first_of(events: AsyncIterator[PowerEvent]) -> PowerEvent:
    return await anext(events)


class PowerSuite:
    """Fixtures: ``rig`` (`PowerRig`) and ``kind`` (`Kind`)."""

    pytestmark = pytest.mark.asyncio

    async def test_power_says_what_the_hypervisor_says(self, rig: PowerRig) -> None:
        on, off = await rig.add_vm(), await rig.add_vm()
        await rig.switch(off, Power.OFF)
        assert await rig.driver.power([on, off]) == {on: Power.ON, off: Power.OFF}

    async def test_power_of_a_vm_that_is_not_found_is_unknown_and_never_off(self, rig: PowerRig) -> None:
        stranger = VmId("ffffffff-0000-4000-8000-000000000000")
        assert await rig.driver.power([stranger]) == {stranger: Power.UNKNOWN}

    async def test_power_of_a_vm_whose_host_is_not_connected_is_unknown_even_if_it_was_off(
        self, rig: PowerRig, kind: Kind
    ) -> None:
        if not kind.can_lose_host:
            pytest.skip(f"{kind.name} has no hosts that could be lost")
        vm = await rig.add_vm()
        await rig.switch(vm, Power.OFF)
        await rig.lose_host(vm)
        assert await rig.driver.power([vm]) == {vm: Power.UNKNOWN}
        assert await rig.driver.power_off(vm) is Power.UNKNOWN

    async def test_power_off_switches_off_and_reads_back(self, rig: PowerRig) -> None:
        vm = await rig.add_vm()
        assert await rig.driver.power_off(vm) is Power.OFF
        assert await rig.driver.power_off(vm) is Power.OFF
        assert await rig.driver.power([vm]) == {vm: Power.OFF}

    async def test_a_power_off_reaches_the_watcher(self, rig: PowerRig) -> None:
        vm = await rig.add_vm()
        events = rig.driver.watch_power()
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            first = group.create_task(first_of(events))
            while not first.done():
                await rig.switch(vm, Power.OFF)
                await asyncio.sleep(0.05)
                await rig.switch(vm, Power.ON)
                await asyncio.sleep(0.05)
        assert first.result().vm in {vm, None}

"""What a driver must say that knows the addresses of guests: what `Located` promises."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from reberth.driver import DriverError, GuestAddresses, Located, Power, VmId
from reberth.testing.rigs import LocatedRig

BOUND = 10.0  # seconds; the promise is less, but the machine may be busy


def located(rig: LocatedRig) -> Located:
    driver: object = rig.driver
    assert isinstance(driver, Located)
    return driver


async def known(rig: LocatedRig, vm: VmId) -> tuple[str, ...]:
    found = await located(rig).addresses([vm])
    return found[vm].known if vm in found else ()


class LocatedSuite:
    """Fixture: ``rig`` (`LocatedRig`)."""

    pytestmark = pytest.mark.asyncio

    async def test_of_each_vm_the_addresses_of_its_own_guest_are_told(self, rig: LocatedRig) -> None:
        one, two = await rig.add_vm(), await rig.add_vm()
        address = await rig.address(one)
        found = await located(rig).addresses([one, two])
        assert address in found[one].known
        assert two not in found or address not in found[two].known

    async def test_of_a_vm_that_is_off_or_that_is_not_found_nothing_is_told(self, rig: LocatedRig) -> None:
        """What it had before would refuse the machine that it is now."""
        vm, stranger = await rig.add_vm(), VmId("ffffffff-0000-4000-8000-000000000000")
        await rig.address(vm)
        await rig.switch(vm, Power.OFF)
        assert await located(rig).addresses([vm, stranger]) == {}

    async def test_whoever_is_asked_for_nobody_tells_nothing(self, rig: LocatedRig) -> None:
        assert await located(rig).addresses([]) == {}

    async def test_a_hypervisor_that_is_away_tells_nothing_and_holds_nobody_up(self, rig: LocatedRig) -> None:
        vm = await rig.add_vm()
        assert isinstance(await rig.address(vm), str)
        await rig.go_away()
        found: dict[VmId, GuestAddresses] = {}
        async with asyncio.timeout(BOUND):
            with suppress(DriverError):
                found = dict(await located(rig).addresses([vm]))
        assert found == {}

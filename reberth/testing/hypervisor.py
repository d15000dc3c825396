"""What a driver of disks and power must do beside: where the one meets the other."""

from __future__ import annotations

import pytest

from reberth.driver import Done, DriverError, Power, Refused
from reberth.testing.asking import ONE, held, new_disk
from reberth.testing.rigs import HypervisorRig


class HypervisorSuite:
    """Fixture: ``rig`` (`HypervisorRig`)."""

    pytestmark = pytest.mark.asyncio

    async def test_a_suspended_vm_is_never_off(self, rig: HypervisorRig) -> None:
        """It goes on writing where it was, with its page cache, when it is resumed."""
        vm = await rig.add_vm()
        await rig.suspend(vm)
        assert await rig.driver.power([vm]) == {vm: Power.ON}

    async def test_what_is_detached_from_a_suspended_vm_is_not_back_when_it_is_resumed(
        self, rig: HypervisorRig
    ) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.suspend(vm)
        assert await held(rig) == {(disk, vm)}
        (outcome,) = await rig.driver.detach([disk], vm, ONE)
        assert isinstance(outcome, Done | Refused)
        after = set() if isinstance(outcome, Done) else {(disk, vm)}
        assert await held(rig) == after
        await rig.resume(vm)
        assert await held(rig) == after

    async def test_power_off_of_a_suspended_vm_throws_its_memory_away_and_its_disks_can_be_taken(
        self, rig: HypervisorRig
    ) -> None:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.suspend(vm)
        assert await rig.driver.power_off(vm) is Power.OFF
        assert await rig.driver.power([vm]) == {vm: Power.OFF}
        assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        assert await rig.driver.attach([disk], other, ONE) == [Done()]
        await rig.switch(vm, Power.ON)
        assert await held(rig) == {(disk, other)}

    async def test_power_off_leaves_the_disks_where_they_are(self, rig: HypervisorRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.driver.power_off(vm)
        assert await held(rig) == {(disk, vm)}

    async def test_power_that_cannot_be_read_at_all_is_an_error(self, rig: HypervisorRig) -> None:
        vm = await rig.add_vm()
        await rig.go_away()
        with pytest.raises(DriverError):
            await rig.driver.power([vm])

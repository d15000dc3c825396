"""What a driver must do whose disks somebody can move to another file, or under another name, while a VM has them."""

from __future__ import annotations

import pytest

from reberth.driver import AttachmentState, DiskId, Done, Power, Refused, StorageDriver, VmId
from reberth.testing.asking import ONE, TWO, held, kinds, new_disk
from reberth.testing.rigs import MovingRig

_UNCERTAIN, _ATTACHED = AttachmentState.UNCERTAIN, AttachmentState.ATTACHED


async def states(driver: StorageDriver) -> dict[tuple[DiskId, VmId], AttachmentState]:
    return {(each.disk, each.vm): each.state for each in (await driver.list_attachments()).attachments}


async def refuses_all(driver: StorageDriver, disk: DiskId, vm: VmId, second: VmId) -> bool:
    """To take it, to give it to either and to delete it."""
    outcomes = [
        *await driver.attach([disk], second, TWO),
        *await driver.attach([disk], vm, TWO),
        *await driver.detach([disk], vm, TWO),
        await driver.delete(disk),
    ]
    return kinds(outcomes) == [Refused] * len(outcomes)


class MovedSuite:
    """Fixture: ``rig`` (`MovingRig`)."""

    pytestmark = pytest.mark.asyncio

    @pytest.mark.parametrize("power", [Power.ON, Power.OFF])
    async def test_a_disk_that_somebody_moved_stays_with_its_vm_and_what_is_left_of_it_is_given_to_nobody(
        self, rig: MovingRig, power: Power
    ) -> None:
        """Its newest data is where it is now: the next VM would start with what was before, and two would write."""
        disk, other = await new_disk(rig), await new_disk(rig, "other")
        vm, second = await rig.add_vm(), await rig.add_vm()
        assert kinds(await rig.driver.attach([disk, other], vm, ONE)) == [Done, Done]
        await rig.move_disk(vm, disk)
        if power is Power.OFF:
            await rig.switch(vm, power)

        assert await states(rig.driver) == {(disk, vm): _UNCERTAIN, (other, vm): _ATTACHED}
        assert await states(rig.rival) == {(disk, vm): _UNCERTAIN, (other, vm): _ATTACHED}
        assert await refuses_all(rig.driver, disk, vm, second)
        assert await refuses_all(rig.rival, disk, vm, second)
        assert await rig.driver.detach([other], vm, TWO) == [Done()]
        assert await rig.driver.attach([other], second, TWO) == [Done()]

    async def test_what_is_wrong_with_a_moved_disk_is_told_and_nothing_counts_as_unread(self, rig: MovingRig) -> None:
        """Other volumes do not wait for it."""
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.move_disk(vm, disk)
        listed = await rig.driver.list_attachments()
        assert (list(listed.odd), list(listed.unread)) == ([disk], [])
        assert listed.odd[disk]

    async def test_a_disk_that_was_moved_back_goes_on_as_before(self, rig: MovingRig) -> None:
        disk, vm, second = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.move_disk(vm, disk)
        assert kinds(await rig.driver.detach([disk], vm, ONE)) == [Refused]
        await rig.move_back(vm, disk)

        listed = await rig.driver.list_attachments()
        assert (listed.odd, await held(rig)) == ({}, {(disk, vm)})
        assert await rig.driver.detach([disk], vm, TWO) == [Done()]
        assert await rig.driver.attach([disk], second, TWO) == [Done()]
        assert await held(rig) == {(disk, second)}

"""
The bugs of VMware's own Docker volume driver (vDVS) that a storage driver can have, each as a test.

On the simulator with our fault layer. Those of the plugin on the nodes (#2096, #1159, #1499) are the gate's to test.
"""

from __future__ import annotations

import asyncio

from controller.model import DiskId, Epoch, Power, Spec, VolumeKey
from drivers.base import Created, Done, PowerEvent, Refused
from tests.conformance.vsphere_rig import VsphereFaultsRig
from tests.support.awaiting import as_coroutine
from tests.vcsim.server import Spec as Simulated

ONE, TWO = Epoch(1), Epoch(2)


async def new_disk(rig: VsphereFaultsRig) -> DiskId:
    created = await rig.driver.create(VolumeKey("data"), Spec(64 * 2**20))
    assert isinstance(created, Created), created
    return created.disk


async def test_1621_a_late_power_off_event_of_the_old_vm_leaves_the_new_owner_alone() -> None:
    async with VsphereFaultsRig() as rig:
        disk, old, new = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], old, ONE)
        await rig.driver.detach([disk], old, ONE)
        await rig.driver.attach([disk], new, TWO)
        events = rig.driver.watch_power()
        async with asyncio.timeout(30):
            assert await anext(events) == PowerEvent(None)
            await rig.switch(old, Power.OFF)
            await anext(events)
        assert [(each.disk, each.vm, each.epoch) for each in (await rig.driver.list_attachments()).attachments] == [
            (disk, new, TWO)
        ]


async def test_240_and_991_what_the_vm_shows_counts_and_not_what_was_noted_on_it() -> None:
    """Our stamps without the disk are no attachment; a disk put there by hand, without stamps, is one."""
    async with VsphereFaultsRig() as rig:
        disk, noted, real = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        rig.admin.set_extra(rig.admin.vm(noted), reberth_epoch="1", reberth_vm=str(noted))
        assert rig.admin.attach(real, disk, 9) is None
        assert [(each.disk, each.vm, each.epoch) for each in (await rig.driver.list_attachments()).attachments] == [
            (disk, real, None)
        ]
        assert isinstance((await rig.driver.attach([disk], noted, ONE))[0], Refused)


async def test_515_a_dead_vm_boots_again_once_its_disk_was_taken() -> None:
    async with VsphereFaultsRig() as rig:
        disk, dead, new = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], dead, ONE)
        await rig.switch(dead, Power.OFF)
        assert await rig.driver.detach([disk], dead, ONE) == [Done()]
        assert await rig.driver.attach([disk], new, ONE) == [Done()]
        assert rig.admin.switch(dead, Power.ON) is None


async def test_515_the_simulator_refuses_to_boot_a_vm_that_still_holds_the_disk_of_another() -> None:
    """Else the test before would prove nothing."""
    async with VsphereFaultsRig() as rig:
        disk, dead, new = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], dead, ONE)
        await rig.switch(dead, Power.OFF)
        assert rig.admin.attach(new, disk, 9) is None
        assert rig.admin.switch(dead, Power.ON) is not None


async def test_1675_a_vm_that_ha_started_elsewhere_still_has_the_disk_until_it_is_taken() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.move_apart(vm, other)
        await rig.fault("host", name=rig.admin.host(vm), state="notResponding", crash="1")
        await rig.fault("restart", vm=rig.admin.name(vm), on=rig.admin.host(other))
        assert await rig.driver.power([vm]) == {vm: Power.ON}
        assert isinstance((await rig.driver.attach([disk], other, TWO))[0], Refused)
        assert await rig.driver.detach([disk], vm, TWO) == [Done()]
        assert await rig.driver.attach([disk], other, TWO) == [Done()]


async def test_381_a_detach_during_a_power_off_has_an_outcome_and_works_after_it() -> None:
    async with VsphereFaultsRig(Simulated(faults=True, task_time="300ms")) as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        async with asyncio.TaskGroup() as group:
            off = group.create_task(as_coroutine(rig.rival.power_off(vm)))
            group.create_task(as_coroutine(rig.driver.detach([disk], vm, ONE)))
        assert off.result() is Power.OFF
        assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        assert list((await rig.driver.list_attachments()).attachments) == []

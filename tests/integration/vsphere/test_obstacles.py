"""What is in the way of a detach is said, and told before it hurts."""

from __future__ import annotations

from drivers.base import Done, Refused
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE, TWO, held, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig


async def test_a_snapshot_pins_the_disks_that_were_there_and_is_named_until_it_is_deleted() -> None:
    """So does each image backup while it runs. A disk that was attached after the snapshot can be taken."""
    async with VsphereFaultsRig() as rig:
        driver = rig.driver
        assert isinstance(driver, VsphereDriver)
        disk, later, vm = await new_disk(rig), await new_disk(rig, "later"), await rig.add_vm()
        name = rig.admin.name(vm)
        await driver.attach([disk], vm, ONE)
        await rig.fault("snapshot", vm=name)
        assert f"{name} has a snapshot" in (await driver.concerns({vm: name}))[vm][0]
        await driver.attach([later], vm, ONE)
        (outcome,) = await driver.detach([disk], vm, TWO)
        assert isinstance(outcome, Refused)
        assert f"{name} has a snapshot" in outcome.why
        assert await driver.detach([later], vm, TWO) == [Done()]
        assert await held(rig) == {(disk, vm)}
        await rig.fault("snapshot", vm=name, off="1")
        assert await driver.concerns({vm: name}) == {}
        assert await driver.detach([disk], vm, TWO) == [Done()]

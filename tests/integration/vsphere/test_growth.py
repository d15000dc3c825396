"""What keeps a disk from becoming larger is said, and nothing is changed."""

from __future__ import annotations

from drivers.base import Done, Refused
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE, SIZE, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig


async def test_a_disk_grows_only_on_a_vm_that_has_it_and_not_under_a_snapshot() -> None:
    async with VsphereFaultsRig() as rig:
        driver = rig.driver
        assert isinstance(driver, VsphereDriver)
        disk, vm = await new_disk(rig), await rig.add_vm()

        alone = await driver.grow(disk, 2 * SIZE)
        assert isinstance(alone, Refused)
        assert "run a service that uses the volume" in alone.why

        await driver.attach([disk], vm, ONE)
        await rig.fault("snapshot", vm=rig.admin.name(vm))
        pinned = await driver.grow(disk, 2 * SIZE)
        assert isinstance(pinned, Refused)

        await rig.fault("snapshot", vm=rig.admin.name(vm), off="1")
        assert await driver.grow(disk, 2 * SIZE) == Done()
        before = _changes(driver)
        assert await driver.grow(disk, SIZE) == Done()
        assert _changes(driver) == before > 0


def _changes(driver: VsphereDriver) -> int:
    return sum(times for method, times in driver.sent.items() if "econfig" in method)

"""What a driver must do that can make a disk larger: what `Grower` promises."""

from __future__ import annotations

import pytest

from reberth.driver import Created, DiskId, Done, Grower, Refused, Spec, VolumeKey
from reberth.testing.asking import ONE, SIZE, held, new_disk
from reberth.testing.rigs import StorageRig


class GrowthSuite:
    """Fixture: ``rig`` (`StorageRig`)."""

    pytestmark = pytest.mark.asyncio

    async def test_a_disk_grows_where_it_is_and_never_shrinks(self, rig: StorageRig) -> None:
        assert isinstance(rig.driver, Grower)
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        for size in (2 * SIZE, 2 * SIZE, SIZE):
            assert await rig.driver.grow(disk, size) == Done()
        assert await held(rig) == {(disk, vm)}
        assert await rig.driver.create(VolumeKey("data"), Spec(2 * SIZE)) == Created(disk)

    async def test_a_disk_that_does_not_exist_is_not_made_by_growing_it(self, rig: StorageRig) -> None:
        assert isinstance(rig.driver, Grower)
        assert isinstance(await rig.driver.grow(DiskId("nothing"), SIZE), Refused)

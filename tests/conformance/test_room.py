"""What drivers tell of the room for disks, on each that tells it."""

from __future__ import annotations

import pytest

from drivers.base import DriverError, Room, Roomy
from reberth.testing.asking import new_disk
from tests.conformance.rigs import RIGS, MemoryRig, RigKind
from tests.conformance.vsphere_rig import VsphereFaultsRig

TELLING = [each for each in RIGS if each.kind.name in {"libvirt", "vsphere", "vsphere-faults"}]


@pytest.mark.parametrize("made", TELLING, ids=lambda each: each.kind.name)
async def test_each_place_of_disks_tells_its_name_and_less_is_free_than_there_is(made: RigKind) -> None:
    async with made.make() as rig:
        assert isinstance(rig.driver, Roomy)
        (room,) = await rig.driver.rooms()
        assert 0 < room.free <= room.size
        assert room.name.startswith(("the pool ", "the datastore "))


async def test_a_storage_that_does_not_answer_is_an_error_and_not_an_empty_answer() -> None:
    async with MemoryRig() as rig:
        assert isinstance(rig.driver, Roomy)
        await rig.go_away()
        with pytest.raises(DriverError):
            await rig.driver.rooms()


async def test_what_is_told_comes_through() -> None:
    rig = MemoryRig()
    rig.storage.rooms = [Room("a pool", 1, 2)]
    assert isinstance(rig.driver, Roomy)
    assert list(await rig.driver.rooms()) == [Room("a pool", 1, 2)]


async def test_vsphere_tells_what_a_disk_takes_there_and_leaves_out_what_it_does_not_know() -> None:
    async with VsphereFaultsRig() as rig:
        assert isinstance(rig.driver, Roomy)
        assert [dict(each.used) for each in await rig.driver.rooms()] == [{}]
        disk, _ = await new_disk(rig), await new_disk(rig, "mute")
        await rig.fault("used", file=disk, bytes=str(3 << 20))
        assert [dict(each.used) for each in await rig.driver.rooms()] == [{disk: 3 << 20}]

"""What a driver must do that can note in the places of its disks which swarm they belong to: what `Marked` promises."""

from __future__ import annotations

import pytest

from reberth.driver import Done, DriverError, Marked, StorageDriver
from reberth.testing.asking import ONE, held, new_disk
from reberth.testing.rigs import StorageRig


def marked(driver: StorageDriver) -> Marked:
    assert isinstance(driver, Marked)
    return driver


async def noted(driver: StorageDriver) -> list[set[str]]:
    found = await marked(driver).owners()
    assert found.gaps == ()
    return [set(ids) for ids in found.each.values()]


class MarkedSuite:
    """Fixture: ``rig`` (`StorageRig`)."""

    pytestmark = pytest.mark.asyncio

    async def test_what_a_swarm_notes_is_seen_by_all_and_is_no_disk(self, rig: StorageRig) -> None:
        places = await noted(rig.driver)
        assert places
        assert all(ids == set() for ids in places)
        assert await marked(rig.driver).mark("one1") == Done()
        assert await noted(rig.rival) == [{"one1"}] * len(places)
        assert await rig.driver.keys("") == []
        assert await held(rig) == set()

    async def test_a_note_may_be_made_and_taken_away_again_and_leaves_those_of_others(self, rig: StorageRig) -> None:
        for swarm in ("one1", "two2", "one1"):
            assert await marked(rig.driver).mark(swarm) == Done()
        assert all(ids == {"one1", "two2"} for ids in await noted(rig.driver))
        for _ in range(2):
            assert await marked(rig.rival).unmark("one1") == Done()
        assert all(ids == {"two2"} for ids in await noted(rig.driver))

    async def test_disks_are_made_attached_and_deleted_beside_it(self, rig: StorageRig) -> None:
        before, vm = await new_disk(rig, "before"), await rig.add_vm()
        await marked(rig.driver).mark("one1")
        after = await new_disk(rig, "after")
        assert list(await rig.driver.attach([before, after], vm, ONE)) == [Done(), Done()]
        assert list(await rig.driver.detach([before, after], vm, ONE)) == [Done(), Done()]
        assert await rig.driver.keys("") == ["after", "before"]
        for disk in (before, after):
            assert await rig.driver.delete(disk) == Done()
        assert all(ids == {"one1"} for ids in await noted(rig.driver))

    async def test_notes_that_cannot_be_read_are_not_none(self, rig: StorageRig) -> None:
        await rig.go_away()
        with pytest.raises(DriverError):
            await marked(rig.driver).owners()
        assert await marked(rig.driver).mark("one1") != Done()

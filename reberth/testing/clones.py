"""What every driver must do that can make a disk as a copy of another: what `StorageDriver.clone` promises."""

from __future__ import annotations

import asyncio

import pytest

from reberth.driver import Created, CreateOutcome, DiskId, Done, Power, Refused, Spec, Unreachable, VolumeKey
from reberth.testing.asking import ONE, SIZE, held
from reberth.testing.rigs import CloneRig

TEXT, OTHER = b"what the source has".ljust(512, b"."), b"written afterwards".ljust(512, b".")
SOURCE, COPY = VolumeKey("source"), VolumeKey("copy")


async def source_of(rig: CloneRig) -> DiskId:
    created = await rig.driver.create(SOURCE, Spec(SIZE))
    assert isinstance(created, Created), created
    await rig.put(created.disk, TEXT)
    return created.disk


async def clone(rig: CloneRig, source: DiskId, key: VolumeKey = COPY) -> CreateOutcome:
    return await rig.driver.clone(key, Spec(SIZE), source)


async def copy_of(rig: CloneRig, source: DiskId, key: VolumeKey = COPY) -> DiskId:
    created = await clone(rig, source, key)
    assert isinstance(created, Created), created
    return created.disk


async def retried(rig: CloneRig, source: DiskId) -> DiskId:
    async with asyncio.timeout(30):
        while True:
            outcome = await clone(rig, source)
            if isinstance(outcome, Created):
                return outcome.disk
            assert isinstance(outcome, Refused), outcome
            await asyncio.sleep(0.1)


class CloneSuite:
    """Fixture: ``rig`` (`CloneRig`)."""

    pytestmark = pytest.mark.asyncio

    async def test_a_copy_is_a_disk_of_its_own_that_begins_with_what_its_source_has(self, rig: CloneRig) -> None:
        source = await source_of(rig)
        copy = await copy_of(rig, source)

        assert copy != source
        assert await rig.got(copy, len(TEXT)) == TEXT
        assert await rig.driver.keys("") == [COPY, SOURCE]
        assert await held(rig) == set()
        await rig.put(copy, OTHER)
        assert (await rig.got(source, len(TEXT)), await rig.got(copy, len(TEXT))) == (TEXT, OTHER)
        assert list(await rig.remains()) == []

    async def test_a_copy_made_earlier_under_the_same_key_is_found_and_not_made_again(self, rig: CloneRig) -> None:
        """Also when the source is in use by now, or is gone."""
        source, vm = await source_of(rig), await rig.add_vm()
        copy = await copy_of(rig, source)
        await rig.put(copy, OTHER)
        assert await copy_of(rig, source) == copy
        await rig.driver.attach([source], vm, ONE)
        assert await copy_of(rig, source) == copy
        await rig.driver.detach([source], vm, ONE)
        await rig.driver.delete(source)
        assert await copy_of(rig, source) == copy
        assert await rig.got(copy, len(OTHER)) == OTHER

    async def test_a_disk_that_is_attached_anywhere_is_not_copied(self, rig: CloneRig) -> None:
        """Nor one on a VM that is off: it may be switched on in the middle of it."""
        source, vm = await source_of(rig), await rig.add_vm()
        await rig.driver.attach([source], vm, ONE)
        assert isinstance(await clone(rig, source), Refused)
        await rig.switch(vm, Power.OFF)
        assert isinstance(await clone(rig, source), Refused)
        assert await rig.driver.keys("") == [SOURCE]
        assert await held(rig) == {(source, vm)}

    async def test_a_disk_that_does_not_exist_is_not_copied(self, rig: CloneRig) -> None:
        source = await source_of(rig)
        await rig.driver.delete(source)
        assert isinstance(await clone(rig, source), Refused)
        assert await rig.driver.keys("") == []
        assert list(await rig.remains()) == []

    async def test_source_and_copy_are_deleted_one_without_the_other(self, rig: CloneRig) -> None:
        source = await source_of(rig)
        first, second = await copy_of(rig, source, VolumeKey("copy-1")), await copy_of(rig, source, VolumeKey("copy-2"))
        assert await rig.driver.delete(first) == Done()
        assert await rig.got(source, len(TEXT)) == TEXT
        assert await rig.driver.delete(source) == Done()
        assert await rig.got(second, len(TEXT)) == TEXT

    async def test_source_and_copy_are_attached_beside_each_other_under_names_of_their_own(self, rig: CloneRig) -> None:
        source, vm = await source_of(rig), await rig.add_vm()
        copy = await copy_of(rig, source)
        assert list(await rig.driver.attach([source, copy], vm, ONE)) == [Done(), Done()]
        names = set((await rig.driver.device(source, vm)).by_id) & set((await rig.driver.device(copy, vm)).by_id)
        assert names == set()

    async def test_a_copy_of_a_copy_is_a_copy(self, rig: CloneRig) -> None:
        second = await copy_of(rig, await copy_of(rig, await source_of(rig)), VolumeKey("again"))
        assert await rig.got(second, len(TEXT)) == TEXT

    async def test_a_half_copy_is_never_found_and_the_next_call_makes_it_whole(self, rig: CloneRig) -> None:
        """Whoever made it died in the middle: what is left of it is no disk, and does not stay."""
        source = await source_of(rig)
        await rig.leave_half(COPY, source)
        assert await rig.driver.keys("") == [SOURCE]
        copy = await copy_of(rig, source)
        assert await rig.got(copy, len(TEXT)) == TEXT
        assert await rig.driver.keys("") == [COPY, SOURCE]
        assert list(await rig.remains()) == []

    async def test_a_half_copy_goes_with_the_delete_of_its_disk(self, rig: CloneRig) -> None:
        source = await source_of(rig)
        copy = await copy_of(rig, source)
        await rig.driver.delete(copy)
        await rig.leave_half(COPY, source)
        assert await rig.driver.delete(copy) == Done()
        assert await rig.driver.keys("") == [SOURCE]
        assert list(await rig.remains()) == []

    async def test_two_controllers_that_make_the_same_copy_make_one(self, rig: CloneRig) -> None:
        """Whoever is refused finds it the next time."""
        source = await source_of(rig)
        outcomes = await asyncio.gather(
            rig.driver.clone(COPY, Spec(SIZE), source), rig.rival.clone(COPY, Spec(SIZE), source)
        )
        assert {type(each) for each in outcomes} <= {Created, Refused}
        copy = await retried(rig, source)
        assert await rig.got(copy, len(TEXT)) == TEXT
        assert list(await rig.remains()) == []

    async def test_storage_that_is_gone_is_unreachable(self, rig: CloneRig) -> None:
        source = await source_of(rig)
        await rig.go_away()
        assert isinstance(await clone(rig, source), Unreachable)

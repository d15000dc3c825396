"""What a driver must do that can copy a disk in use: what `Snapshotter` promises."""

from __future__ import annotations

import asyncio

import pytest

from reberth.driver import Created, CreateOutcome, DiskId, Done, Power, Refused, Snapshotter, Spec, VmId, VolumeKey
from reberth.testing.asking import ONE, SIZE, held
from reberth.testing.clones import OTHER, SOURCE, TEXT, source_of
from reberth.testing.rigs import SnapshotRig

KEPT = VolumeKey("snap-source-1")


async def ask(rig: SnapshotRig, source: DiskId, key: VolumeKey = KEPT) -> CreateOutcome:
    assert isinstance(rig.driver, Snapshotter)
    assert rig.driver.capabilities.snapshots
    return await rig.driver.snapshot(key, Spec(SIZE), source)


async def kept(rig: SnapshotRig, source: DiskId, key: VolumeKey = KEPT) -> DiskId:
    """Whoever is refused for a while asks again."""
    async with asyncio.timeout(60):
        while True:
            outcome = await ask(rig, source, key)
            if isinstance(outcome, Created):
                return outcome.disk
            assert isinstance(outcome, Refused), outcome
            assert outcome.retry_after is not None, outcome
            await asyncio.sleep(0.2)


async def attached(rig: SnapshotRig) -> tuple[DiskId, VmId]:
    source, vm = await source_of(rig), await rig.add_vm()
    assert list(await rig.driver.attach([source], vm, ONE)) == [Done()]
    return source, vm


class SnapshotSuite:
    """Fixture: ``rig`` (`SnapshotRig`)."""

    pytestmark = pytest.mark.asyncio

    async def test_a_disk_that_a_vm_has_is_kept_as_it_is_and_stays_on_its_vm(self, rig: SnapshotRig) -> None:
        source, vm = await attached(rig)
        snapshot = await kept(rig, source)

        assert await held(rig) == {(source, vm)}
        assert await rig.got(snapshot, len(TEXT)) == TEXT
        assert await rig.driver.keys("") == [KEPT, SOURCE]
        assert list(await rig.remains()) == []

    async def test_what_is_written_afterwards_is_not_in_it(self, rig: SnapshotRig) -> None:
        source, vm = await attached(rig)
        snapshot = await kept(rig, source)
        await rig.driver.detach([source], vm, ONE)
        await rig.put(source, OTHER)

        assert await rig.got(snapshot, len(TEXT)) == TEXT
        assert await kept(rig, source) == snapshot
        assert await rig.got(snapshot, len(TEXT)) == TEXT

    async def test_a_disk_that_is_attached_nowhere_is_copied(self, rig: SnapshotRig) -> None:
        source = await source_of(rig)

        assert await rig.got(await kept(rig, source), len(TEXT)) == TEXT

    async def test_a_disk_that_is_attached_nowhere_is_not_held_by_whoever_wants_it_in_use(
        self, rig: SnapshotRig
    ) -> None:
        source, vm = await source_of(rig), await rig.add_vm()
        assert isinstance(rig.driver, Snapshotter)
        assert isinstance(await rig.driver.snapshot(KEPT, Spec(SIZE), source, at_rest=False), Refused)
        assert await rig.driver.keys("") == [SOURCE]
        assert list(await rig.driver.attach([source], vm, ONE)) == [Done()]
        async with asyncio.timeout(60):
            while True:
                if isinstance(await rig.driver.snapshot(KEPT, Spec(SIZE), source, at_rest=False), Created):
                    break
                await asyncio.sleep(0.2)
        assert await rig.driver.keys("") == [KEPT, SOURCE]

    async def test_a_disk_goes_to_another_vm_while_it_is_copied_and_the_copy_is_none_or_whole(
        self, rig: SnapshotRig
    ) -> None:
        """No failover waits for a snapshot."""
        source, old = await attached(rig)
        new = await rig.add_vm()
        async with rig.slow_copies():
            asked = asyncio.ensure_future(ask(rig, source))
            await rig.copying(source)
            assert list(await rig.driver.detach([source], old, ONE)) == [Done()]
            assert list(await rig.driver.attach([source], new, ONE)) == [Done()]
            outcome = await asked

        assert isinstance(outcome, Created) or (isinstance(outcome, Refused) and outcome.retry_after is not None)
        assert (await rig.driver.keys("") == [KEPT, SOURCE]) is isinstance(outcome, Created)
        assert await held(rig) == {(source, new)}
        assert await rig.got(await kept(rig, source), len(TEXT)) == TEXT
        assert list(await rig.remains()) == []

    async def test_a_vm_that_ends_in_the_middle_leaves_no_half_snapshot_that_is_found(self, rig: SnapshotRig) -> None:
        source, vm = await attached(rig)
        async with rig.slow_copies():
            asked = asyncio.ensure_future(ask(rig, source))
            await rig.copying(source)
            await rig.switch(vm, Power.OFF)
            outcome = await asked

        assert (await rig.driver.keys("") == [KEPT, SOURCE]) is isinstance(outcome, Created)
        assert list(await rig.driver.detach([source], vm, ONE)) == [Done()]
        assert await rig.got(await kept(rig, source), len(TEXT)) == TEXT
        assert list(await rig.remains()) == []

    async def test_a_half_snapshot_goes_with_the_delete_of_its_disk(self, rig: SnapshotRig) -> None:
        source, _ = await attached(rig)
        disk = await kept(rig, source)
        await rig.driver.delete(disk)
        await rig.leave_half(KEPT, source)
        assert await rig.driver.keys("") == [SOURCE]
        assert isinstance(await rig.driver.create(KEPT, Spec(SIZE)), Created)
        assert await rig.driver.delete(disk) == Done()
        assert await rig.driver.keys("") == [SOURCE]
        assert list(await rig.remains()) == []

    async def test_a_disk_that_does_not_exist_has_no_snapshot(self, rig: SnapshotRig) -> None:
        source, _ = await attached(rig)
        assert isinstance(rig.driver, Snapshotter)
        assert isinstance(await rig.driver.snapshot(KEPT, Spec(SIZE), DiskId(f"{source}x")), Refused)
        assert await rig.driver.keys("") == [SOURCE]

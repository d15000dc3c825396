"""What every storage driver must do, whatever is behind it: the behaviours that `StorageDriver` promises."""

from __future__ import annotations

import pytest

from reberth.driver import Done, DriverError, Power, Refused, Spec, Unreachable, VolumeKey
from reberth.testing.asking import ONE, SIZE, THREE, TWO, held, kinds, new_disk, stamp
from reberth.testing.rigs import Kind, StorageRig


class StorageSuite:
    """Fixtures: ``rig`` (`StorageRig`) and ``kind`` (`Kind`)."""

    pytestmark = pytest.mark.asyncio

    async def test_a_new_disk_is_attached_nowhere(self, rig: StorageRig) -> None:
        await new_disk(rig)
        assert await held(rig) == set()

    async def test_create_finds_the_disk_made_earlier_under_the_same_key(self, rig: StorageRig) -> None:
        assert await new_disk(rig) == await new_disk(rig)

    async def test_two_keys_are_two_disks(self, rig: StorageRig) -> None:
        assert await new_disk(rig, "one") != await new_disk(rig, "two")

    async def test_disks_are_found_by_the_beginning_of_their_keys_attached_or_not(self, rig: StorageRig) -> None:
        """So that nobody starts on an empty volume whose data is there, but in no record."""
        held_disk, vm = await new_disk(rig, "data-abc"), await rig.add_vm()
        for key in ("data-xyz", "database", "data"):
            await new_disk(rig, key)
        await rig.driver.attach([held_disk], vm, ONE)

        assert await rig.driver.keys("data-") == ["data-abc", "data-xyz"]
        assert await rig.driver.keys("nothing-") == []

    async def test_create_is_refused_when_the_disk_exists_with_another_size(self, rig: StorageRig, kind: Kind) -> None:
        if not kind.tells_sizes:
            pytest.skip(f"{kind.name} does not tell the size of a disk")
        disk = await new_disk(rig)
        refused = await rig.driver.create(VolumeKey("data"), Spec(2 * SIZE))
        assert isinstance(refused, Refused)
        assert refused.why
        assert await new_disk(rig) == disk

    async def test_create_leaves_an_attached_disk_alone(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        assert await new_disk(rig) == disk
        assert await held(rig) == {(disk, vm)}

    async def test_delete_of_a_disk_that_does_not_exist_is_done(self, rig: StorageRig) -> None:
        disk = await new_disk(rig)
        assert await rig.driver.delete(disk) == Done()
        assert await rig.driver.delete(disk) == Done()

    async def test_delete_is_refused_while_the_disk_is_attached(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        assert isinstance(await rig.driver.delete(disk), Refused)
        assert await held(rig) == {(disk, vm)}
        await rig.driver.detach([disk], vm, ONE)
        assert await rig.driver.delete(disk) == Done()

    async def test_an_attached_disk_is_listed_on_its_vm(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        assert await held(rig) == {(disk, vm)}

    async def test_attach_is_refused_while_another_vm_has_the_disk(self, rig: StorageRig) -> None:
        assert rig.driver.capabilities.exclusive_attach
        disk, first, second = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], first, ONE)
        assert kinds(await rig.rival.attach([disk], second, TWO)) == [Refused]
        assert await held(rig) == {(disk, first)}

    async def test_attach_is_refused_while_another_vm_that_is_off_has_the_disk(self, rig: StorageRig) -> None:
        """A VM that is off can be switched on: then two would write."""
        disk, first, second = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], first, ONE)
        await rig.switch(first, Power.OFF)
        assert kinds(await rig.driver.attach([disk], second, ONE)) == [Refused]

    async def test_attach_of_an_attached_disk_is_done_and_raises_the_stamp(self, rig: StorageRig) -> None:
        assert rig.driver.capabilities.epoch_guard
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        assert await stamp(rig, disk) == ONE
        assert await rig.driver.attach([disk], vm, THREE) == [Done()]
        assert await stamp(rig, disk) == THREE

    async def test_attach_under_a_lower_epoch_than_the_stamp_is_refused(self, rig: StorageRig) -> None:
        disk, other, vm = await new_disk(rig), await new_disk(rig, "other"), await rig.add_vm()
        await rig.driver.attach([disk], vm, TWO)
        assert kinds(await rig.rival.attach([disk, other], vm, ONE)) == [Refused, Refused]
        assert await held(rig) == {(disk, vm)}
        assert await stamp(rig, disk) == TWO

    async def test_detach_under_a_lower_epoch_than_the_stamp_is_refused(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, TWO)
        assert kinds(await rig.rival.detach([disk], vm, ONE)) == [Refused]
        assert await held(rig) == {(disk, vm)}

    async def test_detach_under_the_same_epoch_frees_the_disk_for_another_vm(self, rig: StorageRig) -> None:
        disk, first, second = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], first, ONE)
        assert await rig.driver.detach([disk], first, ONE) == [Done()]
        assert await rig.driver.attach([disk], second, ONE) == [Done()]
        assert await held(rig) == {(disk, second)}

    async def test_detach_from_a_vm_that_does_not_have_the_disk_is_done_and_touches_no_other(
        self, rig: StorageRig
    ) -> None:
        """The late detach of an old holder must not take the disk from the new one."""
        disk, old, new = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], new, ONE)
        assert await rig.driver.detach([disk], old, ONE) == [Done()]
        assert await held(rig) == {(disk, new)}

    async def test_detach_works_from_a_vm_that_is_off(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.switch(vm, Power.OFF)
        assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        await rig.switch(vm, Power.ON)
        assert await held(rig) == set()

    async def test_attach_works_to_a_vm_that_is_off_or_is_refused_but_never_half_done(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.switch(vm, Power.OFF)
        (outcome,) = await rig.driver.attach([disk], vm, ONE)
        assert isinstance(outcome, Done | Refused)
        assert await held(rig) == ({(disk, vm)} if outcome == Done() else set())

    async def test_detach_from_a_vm_that_writes_cuts_its_io_or_is_refused(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.write(vm, disk)
        (outcome,) = await rig.driver.detach([disk], vm, ONE)
        cuts = rig.driver.capabilities.detach_cuts_io
        assert type(outcome) is (Done if cuts else Refused)
        assert await held(rig) == (set() if cuts else {(disk, vm)})

    async def test_many_disks_have_their_outcomes_in_the_order_they_were_given(self, rig: StorageRig) -> None:
        disks = [await new_disk(rig, name) for name in ("c", "a", "b")]
        first, second = await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disks[1]], first, ONE)
        assert kinds(await rig.driver.attach(disks, second, ONE)) == [Done, Refused, Done]
        assert await held(rig) == {(disks[1], first), (disks[0], second), (disks[2], second)}
        assert kinds(await rig.driver.detach(disks, second, ONE)) == [Done, Done, Done]
        assert await held(rig) == {(disks[1], first)}

    async def test_a_disk_that_does_not_exist_is_refused_and_the_others_are_attached(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        gone = await new_disk(rig, "gone")
        await rig.driver.delete(gone)
        assert kinds(await rig.driver.attach([gone, disk], vm, ONE)) == [Refused, Done]
        assert await held(rig) == {(disk, vm)}

    async def test_no_disks_are_no_outcomes(self, rig: StorageRig) -> None:
        vm = await rig.add_vm()
        assert list(await rig.driver.attach([], vm, ONE)) == []
        assert list(await rig.driver.detach([], vm, ONE)) == []

    async def test_the_device_has_a_name_that_differs_from_disk_to_disk(self, rig: StorageRig) -> None:
        one, two, vm = await new_disk(rig, "one"), await new_disk(rig, "two"), await rig.add_vm()
        await rig.driver.attach([one, two], vm, ONE)
        names = (await rig.driver.device(one, vm)).by_id, (await rig.driver.device(two, vm)).by_id
        assert names[0]
        assert names[1]
        assert not set(names[0]) & set(names[1])
        assert all("/" not in each for each in names[0])

    async def test_the_other_client_sees_the_same_attachments(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        assert list((await rig.rival.list_attachments()).attachments) == list(
            (await rig.driver.list_attachments()).attachments
        )

    async def test_each_look_shows_what_is_so_now_also_when_it_is_as_it_was_before_the_last_look(
        self, rig: StorageRig
    ) -> None:
        """Whatever a driver keeps of a look to read the next one faster."""
        disk, first, second = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        for holder, other in ((first, second), (second, first), (first, second)):
            assert await held(rig) == set()
            assert kinds(await rig.rival.attach([disk], holder, ONE)) == [Done]
            assert await held(rig) == {(disk, holder)}
            assert await held(rig) == {(disk, holder)}
            await rig.rival.detach([disk], other, ONE)
            assert await held(rig) == {(disk, holder)}
            assert kinds(await rig.rival.detach([disk], holder, ONE)) == [Done]

    async def test_storage_that_is_gone_is_unreachable_and_reading_raises(self, rig: StorageRig) -> None:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.go_away()
        assert kinds(await rig.driver.attach([disk], vm, ONE)) == [Unreachable]
        assert kinds(await rig.driver.detach([disk], vm, ONE)) == [Unreachable]
        assert isinstance(await rig.driver.create(VolumeKey("new"), Spec(SIZE)), Unreachable)
        assert isinstance(await rig.driver.delete(disk), Unreachable)
        with pytest.raises(DriverError):
            await rig.driver.list_attachments()

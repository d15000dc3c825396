"""
Copies that meet what real servers do: they last, lock files, outlive their caller, and lose answers.

All on our fault layer: the library copies at once and locks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from controller.model import DiskId, Epoch, Power, Spec, VolumeKey
from drivers.base import Created, Done, InDoubt, Refused
from tests.conformance.vsphere_rig import VsphereFaultsRig

SIZE = 64 * 2**20
ONE = Epoch(1)
SOURCE, COPY = VolumeKey("source"), VolumeKey("copy")
TEXT = b"what the source has".ljust(512, b".")


@pytest.fixture
async def rig() -> AsyncIterator[VsphereFaultsRig]:
    async with VsphereFaultsRig() as made:
        yield made


async def source_of(rig: VsphereFaultsRig) -> DiskId:
    created = await rig.driver.create(SOURCE, Spec(SIZE))
    assert isinstance(created, Created), created
    await rig.put(created.disk, TEXT)
    return created.disk


async def whole(rig: VsphereFaultsRig, source: DiskId) -> DiskId:
    """By calls that are made again and again, as the loop does."""
    async with asyncio.timeout(30):
        while True:
            outcome = await rig.driver.clone(COPY, Spec(SIZE), source)
            if isinstance(outcome, Created):
                break
            assert isinstance(outcome, Refused), outcome
            await asyncio.sleep(0.2)
    assert await rig.got(outcome.disk, len(TEXT)) == TEXT
    assert await rig.driver.keys("") == [COPY, SOURCE]
    assert list(await rig.remains()) == []
    return outcome.disk


async def begun(rig: VsphereFaultsRig) -> None:
    async with asyncio.timeout(10):
        while not await rig.remains():  # noqa: ASYNC110 -- the world outside makes no event
            await asyncio.sleep(0.02)


async def test_while_a_disk_is_copied_it_is_neither_attached_nor_deleted_by_anybody(rig: VsphereFaultsRig) -> None:
    """Not by this controller, which knows, and not by another, which the file's lock stops."""
    source, vm, copy = await source_of(rig), await rig.add_vm(), COPY
    await rig.fault("copying", seconds="3")
    async with asyncio.TaskGroup() as group:
        copying = group.create_task(rig.driver.clone(copy, Spec(SIZE), source))
        await begun(rig)
        for driver in (rig.driver, rig.rival):
            (refused,) = await driver.attach([source], vm, ONE)
            assert isinstance(refused, Refused), refused
            assert isinstance(await driver.delete(source), Refused)
            assert await driver.keys("") == [SOURCE]
        assert isinstance(await rig.rival.clone(copy, Spec(SIZE), source), Refused)
        assert not copying.done()
    assert isinstance(copying.result(), Created)
    await whole(rig, source)
    assert list(await rig.driver.attach([source], vm, ONE)) == [Done()]


async def test_a_copy_outlives_its_caller_and_the_next_one_waits_for_its_end(rig: VsphereFaultsRig) -> None:
    """The controller dies, or its deadline is over: what nobody saw end well is made anew."""
    source = await source_of(rig)
    await rig.fault("copying", seconds="2")
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await rig.driver.clone(COPY, Spec(SIZE), source)
    refused = await rig.driver.clone(COPY, Spec(SIZE), source)
    assert isinstance(refused, Refused)
    assert "is still being made" in refused.why
    await rig.fault("copying", seconds="0")
    await whole(rig, source)


@pytest.mark.parametrize("method", ["CopyVirtualDisk_Task", "MoveVirtualDisk_Task"])
async def test_a_call_without_an_answer_is_in_doubt_and_made_good(rig: VsphereFaultsRig, method: str) -> None:
    source = await source_of(rig)
    await rig.fault("mute", method=method)
    assert isinstance(await rig.driver.clone(COPY, Spec(SIZE), source), InDoubt)
    await whole(rig, source)


async def test_a_session_that_ends_in_the_middle_of_a_copy_does_not_end_the_copy(rig: VsphereFaultsRig) -> None:
    source = await source_of(rig)
    await rig.fault("copying", seconds="1")
    async with asyncio.TaskGroup() as group:
        copying = group.create_task(rig.driver.clone(COPY, Spec(SIZE), source))
        await begun(rig)
        await asyncio.to_thread(rig.admin.end_sessions)
    assert isinstance(copying.result(), Created), copying.result()


async def test_a_copy_during_which_its_source_was_attached_is_none(rig: VsphereFaultsRig) -> None:
    """A VM that is off opens no file: no lock stops that."""
    source, vm = await source_of(rig), await rig.add_vm()
    await rig.switch(vm, Power.OFF)
    await rig.fault("copying", seconds="1")
    async with asyncio.TaskGroup() as group:
        copying = group.create_task(rig.driver.clone(COPY, Spec(SIZE), source))
        await begun(rig)
        assert list(await rig.rival.attach([source], vm, ONE)) == [Done()]
    refused = copying.result()
    assert isinstance(refused, Refused)
    assert "is attached" in refused.why
    assert await rig.driver.keys("") == [SOURCE]
    assert list(await rig.remains()) == []


async def test_a_copy_that_came_with_the_uuid_of_its_source_gets_one_of_its_own(rig: VsphereFaultsRig) -> None:
    """Guests tell disks by it, and both may be on one VM."""
    source, vm = await source_of(rig), await rig.add_vm()
    await rig.fault("copying", twins="yes")
    copy = await whole(rig, source)
    assert list(await rig.driver.attach([source, copy], vm, ONE)) == [Done(), Done()]
    names = [(await rig.driver.device(disk, vm)).by_id for disk in (source, copy)]
    assert not set(names[0]) & set(names[1])
    assert all(name.startswith(("wwn-0x6000c29", "scsi-36000c29")) for pair in names for name in pair)


async def test_a_copy_for_which_the_datastore_has_no_room_is_refused_before_it_begins(rig: VsphereFaultsRig) -> None:
    source = await source_of(rig)
    refused = await rig.driver.clone(COPY, Spec(2**62), source)
    assert isinstance(refused, Refused)
    assert "make room" in refused.why
    assert list(await rig.remains()) == []

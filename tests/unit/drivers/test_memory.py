"""The faults of the driver in memory: the tests of the loop rest on them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import AttachmentState, DiskId, Epoch, Operation, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, InDoubt, Listing, Refused, Unreachable
from drivers.memory import MemoryDriver, create
from drivers.memory_storage import CAPABILITIES, Fault, MemoryStorage, Reading

ONE, TWO = Epoch(1), Epoch(2)
A, B = VmId("a"), VmId("b")
DISK = DiskId("memory-data")


@pytest.fixture
def storage() -> MemoryStorage:
    made = MemoryStorage()
    made.add_vm(A)
    made.add_vm(B)
    made.create(DISK, 100)
    return made


async def test_a_call_lost_before_is_in_doubt_and_did_not_happen(storage: MemoryStorage) -> None:
    storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    (outcome,) = await MemoryDriver(storage).attach([DISK], A, ONE)
    assert isinstance(outcome, InDoubt)
    assert not storage.attached.get(DISK)


async def test_a_call_lost_after_is_in_doubt_and_did_happen(storage: MemoryStorage) -> None:
    storage.fail(Operation.ATTACH, Fault.LOST_AFTER)
    (outcome,) = await MemoryDriver(storage).attach([DISK], A, ONE)
    assert isinstance(outcome, InDoubt)
    assert storage.attached[DISK] == {A}


@pytest.mark.looptime
async def test_a_late_call_happens_later_by_the_rules_of_that_moment(storage: MemoryStorage) -> None:
    storage.fail(Operation.ATTACH, Fault.LATE)
    (outcome,) = await MemoryDriver(storage).attach([DISK], A, ONE)
    assert isinstance(outcome, InDoubt)
    assert await MemoryDriver(storage).attach([DISK], B, TWO) == [Done()]
    await asyncio.sleep(storage.late + 1)
    assert storage.attached[DISK] == {B}


async def test_refused_and_unreachable_are_said_as_such_and_change_nothing(storage: MemoryStorage) -> None:
    storage.fail(Operation.ATTACH, Fault.REFUSED, Fault.UNREACHABLE)
    driver = MemoryDriver(storage)
    assert isinstance((await driver.attach([DISK], A, ONE))[0], Refused)
    assert isinstance((await driver.attach([DISK], A, ONE))[0], Unreachable)
    assert not storage.attached.get(DISK)


async def test_a_reading_fault_raises_once(storage: MemoryStorage) -> None:
    storage.fail(Reading.ATTACHMENTS, Fault.UNREACHABLE)
    driver = MemoryDriver(storage)
    with pytest.raises(DriverError):
        await driver.list_attachments()
    assert list((await driver.list_attachments()).attachments) == []


async def test_without_exclusive_attach_two_vms_get_the_disk(storage: MemoryStorage) -> None:
    storage.capabilities = replace(CAPABILITIES, exclusive_attach=False)
    driver = MemoryDriver(storage)
    assert [*await driver.attach([DISK], A, ONE), *await driver.attach([DISK], B, ONE)] == [Done(), Done()]


async def test_without_an_epoch_guard_an_old_epoch_is_served_and_no_stamp_is_listed(storage: MemoryStorage) -> None:
    storage.capabilities = replace(CAPABILITIES, epoch_guard=False)
    driver = MemoryDriver(storage)
    await driver.attach([DISK], A, TWO)
    assert await driver.detach([DISK], A, ONE) == [Done()]
    await driver.attach([DISK], A, ONE)
    assert [each.epoch for each in (await driver.list_attachments()).attachments] == [None]


async def test_a_detach_that_cuts_io_stops_the_writer(storage: MemoryStorage) -> None:
    storage.capabilities = replace(CAPABILITIES, detach_cuts_io=True)
    driver = MemoryDriver(storage)
    await driver.attach([DISK], A, ONE)
    storage.write(A, DISK)
    assert storage.writers(DISK) == (A,)
    assert await driver.detach([DISK], A, ONE) == [Done()]
    assert storage.writers(DISK) == ()


async def test_a_vm_takes_as_many_disks_as_it_can_and_no_more(storage: MemoryStorage) -> None:
    storage.capabilities = replace(CAPABILITIES, max_disks_per_vm=1)
    storage.create(DiskId("more"), 100)
    driver = MemoryDriver(storage)
    outcomes = await driver.attach([DISK, DiskId("more")], A, ONE)
    assert [type(each) for each in outcomes] == [Done, Refused]
    assert await driver.attach([DISK], A, ONE) == [Done()]


async def test_an_uncertain_attachment_is_listed_as_uncertain(storage: MemoryStorage) -> None:
    driver = MemoryDriver(storage)
    await driver.attach([DISK], A, ONE)
    storage.uncertain.add((DISK, A))
    assert [each.state for each in (await driver.list_attachments()).attachments] == [AttachmentState.UNCERTAIN]


async def test_a_vm_that_is_switched_off_stops_writing(storage: MemoryStorage) -> None:
    await MemoryDriver(storage).attach([DISK], A, ONE)
    storage.write(A, DISK)
    storage.switch(A, Power.OFF)
    assert storage.writers(DISK) == ()
    with pytest.raises(ValueError, match="is off"):
        storage.write(A, DISK)


async def test_a_driver_made_from_settings_has_the_vms_named_there() -> None:
    driver = create({"vms": ["a"], "detach_cuts_io": True})
    assert driver.capabilities.detach_cuts_io
    assert await driver.power([A, B]) == {A: Power.ON, B: Power.UNKNOWN}
    assert isinstance(await driver.create(VolumeKey("x"), Spec(10)), Created)


async def test_what_is_on_a_vm_that_cannot_be_read_is_unread_and_not_free(storage: MemoryStorage) -> None:
    driver = MemoryDriver(storage)
    await driver.attach([DISK], A, ONE)
    storage.hidden = {A}
    assert await driver.list_attachments() == Listing((), frozenset({B}), ("the VM a cannot be read",))

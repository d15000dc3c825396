"""A volume that begins as a copy: what the storage is asked for, and how long it may take."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import DiskId, Phase, Source, Spec, VolumeKey, VolumeName, VolumeRecord
from controller.planner.actions import CreateDisk
from controller.reconciler.executor import Executor
from controller.reconciler.record_writer import PROGRESS, Setback
from controller.reconciler.storage_actions import Deadlines, StorageActions
from drivers.base import Created, CreateOutcome
from drivers.memory import MemoryDriver
from tests.support.executors import Desk
from tests.support.worlds import V, record, world

ORIGIN = DiskId("disk-old")
SPEC = Spec(1 << 30, source=Source(VolumeName("old"), ORIGIN, "u-old", "u-old"))
NEW = record(phase=Phase.CREATING, disk=None, formatted=False, spec=SPEC)
MADE = DiskId("memory-data-75666699")


class SlowDriver(MemoryDriver):
    """Needs ten seconds for whatever it makes, and keeps what it was asked for."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.storage)
        self.asked: list[tuple[VolumeKey, Spec, DiskId | None]] = []

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        return await self._after_a_while(key, spec, None)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return await self._after_a_while(key, spec, source)

    async def _after_a_while(self, key: VolumeKey, spec: Spec, source: DiskId | None) -> CreateOutcome:
        self.asked.append((key, spec, source))
        await asyncio.sleep(10)
        return Created(MADE)


def desk_with(volume: VolumeRecord = NEW) -> tuple[Desk, SlowDriver]:
    desk = Desk(volume)
    driver = SlowDriver(desk)
    storage = StorageActions(desk.writer, driver, driver, desk.lead, Deadlines(call=5.0, clone=20.0))
    desk.executor = Executor(desk.writer, storage)
    return desk, driver


@pytest.mark.looptime
async def test_a_copy_is_asked_for_by_its_source_and_has_the_time_of_a_copy() -> None:
    desk, driver = desk_with()

    assert await desk.do(world(volume=NEW), CreateDisk(V)) == PROGRESS
    assert driver.asked == [(VolumeKey("data-75666699"), SPEC, ORIGIN)]
    assert desk.kept.disk == MADE


@pytest.mark.looptime
async def test_a_copy_that_is_to_be_deleted_is_looked_for_as_a_plain_disk_in_the_time_of_a_plain_call() -> None:
    """It need not be whole: its name is all that is missing."""
    doomed = record(phase=Phase.DELETING, disk=None, formatted=False, spec=SPEC)
    desk, driver = desk_with(doomed)

    ended = await desk.do(world(volume=doomed), CreateDisk(V))

    assert ended == Setback("create is in doubt: no answer within 5 s")
    assert driver.asked == [(VolumeKey("data-75666699"), SPEC, None)]


@pytest.mark.looptime
async def test_a_plain_disk_has_the_time_of_a_call() -> None:
    plain = record(phase=Phase.CREATING, disk=None, formatted=False)
    desk, driver = desk_with(plain)

    assert await desk.do(world(volume=plain), CreateDisk(V)) == Setback("create is in doubt: no answer within 5 s")
    assert driver.asked == [(VolumeKey("data-75666699"), plain.spec, None)]

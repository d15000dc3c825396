"""Schedules as volumes are made with them, and with drivers that cannot copy a disk in use."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.api.changes.quotas import Quotas
from controller.model import Every, Schedule
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume
from controller.reconciler.snapshots.schedule import PERIODS
from controller.reconciler.snapshots.scheduler import schedulers
from drivers.memory_storage import CAPABILITIES, MemoryStorage
from tests.support.shell import DATA, FakeCluster, scene
from tests.support.snapshots import keeping

pytestmark = pytest.mark.looptime(idle_step=0.05)


async def test_a_driver_that_copies_at_rest_alone_makes_none_and_it_is_told_until_the_stack_file_says_none() -> None:
    cluster = FakeCluster(storage=MemoryStorage(replace(CAPABILITIES, snapshots=False)))
    async with scene(cluster) as play:
        await keeping(play)
        play.cluster.swarm.said[DATA] = "daily keep 2"
        play.spawn(schedulers(play.one.driver, play.one.state, play.one.records, play.one.lead, Quotas())[0].run())
        await asyncio.sleep(100)
        assert (play.cluster.record().snapshots.each, play.cluster.record().spec.schedule) == ((), None)
        assert "volume data is to have snapshots (daily keep 2)" in play.one.state.overdue[DATA]
        record = play.cluster.record()
        spec = replace(record.spec, schedule=Schedule(Every.DAILY, 2))  # of before another driver was chosen
        await play.one.records.replace_volume(replace(record, spec=spec))
        play.cluster.swarm.said[DATA] = "none"
        await asyncio.sleep(20)

        assert (play.cluster.record().spec.schedule, play.one.state.overdue) == (None, {})


@pytest.mark.parametrize(
    ("clones", "said"), [(False, "copies no disk that is in use"), (True, "`reberth snapshot create` makes one")]
)
async def test_a_volume_of_a_driver_that_copies_no_disk_in_use_is_not_made_with_a_schedule(
    clones: bool, said: str
) -> None:
    storage = MemoryStorage(replace(CAPABILITIES, snapshots=False, clones=clones))
    async with scene(FakeCluster(storage=storage)) as play:
        options = {"size": "1GiB", "snapshots": "daily keep 7"}
        refused = await play.one.volume_requests.create(CreateVolume(DATA, options))

        assert isinstance(refused, Rejection)
        assert said in refused.why
        assert play.cluster.store.volumes == {}


async def test_without_storage_there_are_no_schedules() -> None:
    async with scene() as play:
        assert schedulers(None, play.one.state, play.one.records, play.one.lead, Quotas()) == ()


async def test_a_volume_that_is_made_with_a_schedule_has_it() -> None:
    async with scene() as play:
        options = {"size": "1GiB", "snapshots": "weekly keep 3"}
        assert not isinstance(await play.one.volume_requests.create(CreateVolume(DATA, options)), Rejection)

        schedule = play.cluster.record().spec.schedule
        assert schedule is not None
        assert (str(schedule), PERIODS[schedule.every]) == ("weekly keep 3", 7 * 86_400.0)

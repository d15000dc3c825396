"""Snapshots by schedule on a whole controller in memory: once a period, whoever acts and whatever one clock says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.api.changes.quotas import Quotas
from controller.api.status import status
from controller.model import Every, NodeId, Operation, Policy, Schedule, SnapshotState, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume
from controller.reconciler.snapshots.schedule import PERIODS
from controller.reconciler.snapshots.scheduler import MOST_AT_ONCE, Scheduler, schedulers
from controller.volumes.quotas import Quota
from drivers.memory_storage import CAPABILITIES, Fault, MemoryStorage
from tests.support.shell import DATA, Controller, FakeCluster, Scene, scene
from tests.support.snapshots import Keeping, keeping, requests, unused, works

pytestmark = pytest.mark.looptime(idle_step=0.05)
DAY = 86_400.0
MINUTE = 100.0  # seconds in which a controller is sure of the time, and the snapshot made


def scheduler(one: Controller, *quotas: Quota) -> Scheduler:
    return schedulers(one.driver, one.state, one.records, one.lead, Quotas(quotas))[0]


def shifted(one: Controller, seconds: float) -> None:
    """So much later by this controller's wall clock."""
    clock: Callable[[], float] = one.state.wall
    one.state.wall = lambda: clock() + seconds


async def daily(play: Scene, *quotas: Quota, keep: int = 2) -> Keeping:
    """A used volume with a schedule that its stack file says, and its first snapshot."""
    kept = await keeping(play)
    play.cluster.swarm.said[DATA] = f"daily keep {keep}"
    play.spawn(scheduler(play.one, *quotas).run())
    await asyncio.sleep(MINUTE)
    return kept


def made(play: Scene) -> list[str]:
    return [each.state.value for each in play.cluster.record().snapshots.each if each.scheduled]


async def test_a_day_s_snapshot_is_made_each_day_and_the_newest_stay_with_those_of_people() -> None:
    async with scene() as play:
        kept = await daily(play)
        assert made(play) == ["there"]
        await kept.make("mine")
        await kept.until("there", "mine")
        for day in range(3):
            kept.write(f"day {day}".encode())
            shifted(play.one, DAY)
            await asyncio.sleep(MINUTE)

        assert made(play) == ["there", "there"]
        own = [each.disk for each in play.cluster.record().snapshots.each if each.scheduled]
        assert [kept.read(disk) for disk in own] == [b"day 1", b"day 2"]
        assert (await kept.until("there", "mine")).scheduled is False
        assert len([disk for disk in play.cluster.storage.disks if "snap-" in disk]) == 3


async def test_whoever_acts_next_makes_none_in_a_period_that_has_one_whatever_its_own_clock_says() -> None:
    async with scene() as play:
        await daily(play)
        for name, wrong in (("b", 30 * DAY), ("c", -30 * DAY)):
            two = await play.take_over(name)
            shifted(two, wrong)
            play.spawn(works(two).run())
            play.spawn(scheduler(two).run())
            for _ in range(20):
                two.state.clock_offsets = {NodeId(each): -wrong for each in "ab"} | {NodeId(name): 0.0}
                await asyncio.sleep(10)
            assert made(play) == ["there"]


async def test_nothing_is_ordered_while_a_controller_s_clock_jumps() -> None:
    async with scene() as play:
        await daily(play)
        play.one.state.clock_offsets = {NodeId(each): 0.0 for each in "abc"}
        shifted(play.one, 2 * DAY)
        await asyncio.sleep(30)
        play.one.state.clock_offsets = {NodeId(each): -2 * DAY for each in "abc"}
        await asyncio.sleep(MINUTE)

        assert made(play) == ["there"]


async def test_an_order_whose_controller_died_is_carried_out_once_by_the_next() -> None:
    async with scene() as play:
        kept = await daily(play)
        play.cluster.storage.copy_seconds = 20.0
        shifted(play.one, DAY)
        await asyncio.sleep(75)
        assert made(play) == ["there", "wanted"]
        kept.work.cancel()
        play.loop.cancel()
        two = await play.take_over("b")
        shifted(two, DAY)
        play.spawn(works(two).run())
        play.spawn(scheduler(two).run())
        kept.requests = requests(two)
        await asyncio.sleep(2 * MINUTE)

        assert made(play) == ["there", "there"]


async def test_one_that_failed_is_told_at_once_and_made_an_hour_later() -> None:
    async with scene() as play:
        await daily(play)
        play.cluster.storage.fail(Operation.CREATE, Fault.REFUSED)
        shifted(play.one, DAY)
        await asyncio.sleep(MINUTE)

        assert "told to refuse" in play.one.state.overdue[DATA]
        assert play.one.state.overdue[DATA].endswith("; another one is made by itself")
        told = status(play.one.state, Policy(), "a")
        assert told is not None
        assert "failed" in told.volumes[0].overdue
        assert told.volumes[0].overdue in told.volumes[0].warnings
        shifted(play.one, 3600.0)
        await asyncio.sleep(2 * MINUTE)
        assert (made(play), play.one.state.overdue) == (["there", "there"], {})


async def test_where_disks_are_copied_at_rest_it_is_said_to_be_late_and_made_as_soon_as_nobody_uses_the_volume() -> (
    None
):
    cluster = FakeCluster(storage=MemoryStorage(replace(CAPABILITIES, snapshots=False)))
    async with scene(cluster) as play:
        await daily(play)
        assert (made(play), play.one.state.overdue) == ([], {})
        shifted(play.one, 3700.0)
        await asyncio.sleep(MINUTE)
        assert "`docker service scale service-data=0`, and it is made by itself" in play.one.state.overdue[DATA]
        await unused(play)
        await asyncio.sleep(MINUTE)

        assert (made(play), play.one.state.overdue) == (["there"], {})


async def test_a_schedule_that_the_stack_file_ends_makes_no_more_and_leaves_what_there_is() -> None:
    async with scene() as play:
        await daily(play)
        play.cluster.swarm.said[DATA] = "none"
        await asyncio.sleep(10)
        shifted(play.one, DAY)
        await asyncio.sleep(MINUTE)

        assert (made(play), play.cluster.record().spec.schedule) == (["there"], None)


async def test_of_a_paused_volume_none_is_ordered() -> None:
    async with scene() as play:
        await daily(play)
        await play.one.lead.pause("storage work")
        shifted(play.one, DAY)
        await asyncio.sleep(MINUTE)

        assert made(play) == ["there"]


async def test_one_that_does_not_fit_a_quota_is_late_and_told_with_the_cure() -> None:
    async with scene() as play:
        await daily(play, Quota("*", 2 << 30))
        assert made(play) == ["there"]
        shifted(play.one, DAY + 3700)
        await asyncio.sleep(MINUTE)

        assert made(play) == ["there"]
        assert "does not fit the quota of *" in play.one.state.overdue[DATA]


async def test_none_is_ordered_while_the_disk_is_made_larger() -> None:
    async with scene() as play:
        await daily(play)
        play.one.state.growing.add(DATA)
        shifted(play.one, DAY)
        await asyncio.sleep(MINUTE)

        assert made(play) == ["there"]


async def test_of_many_volumes_so_many_are_ordered_as_are_copied_at_once() -> None:
    """One that waits for others would be given up after minutes."""
    async with scene() as play:
        names = [VolumeName(f"v{number}") for number in range(MOST_AT_ONCE + 2)]
        for name in names:
            await play.make(name)
        await asyncio.sleep(10)
        for name in names:
            record = play.cluster.record(name)
            spec = replace(record.spec, schedule=Schedule(Every.DAILY, 7))
            await play.one.records.replace_volume(replace(record, spec=spec, formatted=True))
        play.spawn(scheduler(play.one).run())
        await asyncio.sleep(2 * MINUTE)

        assert sum(play.cluster.record(name).snapshots.wanted for name in names) == MOST_AT_ONCE


async def test_a_volume_of_a_driver_that_copies_no_disk_gets_no_schedule() -> None:
    storage = MemoryStorage(replace(CAPABILITIES, snapshots=False, clones=False))
    async with scene(FakeCluster(storage=storage)) as play:
        options = {"size": "1GiB", "snapshots": "daily keep 7"}
        refused = await play.one.volume_requests.create(CreateVolume(DATA, options))

        assert isinstance(refused, Rejection)
        assert "leave clone-from and snapshots out" in refused.why
        assert schedulers(play.one.driver, play.one.state, play.one.records, play.one.lead, Quotas()) == ()


async def test_a_volume_that_is_made_with_a_schedule_has_it() -> None:
    async with scene() as play:
        options = {"size": "1GiB", "snapshots": "weekly keep 3"}
        assert not isinstance(await play.one.volume_requests.create(CreateVolume(DATA, options)), Rejection)

        schedule = play.cluster.record().spec.schedule
        assert schedule is not None
        assert (str(schedule), PERIODS[schedule.every]) == ("weekly keep 3", 7 * DAY)
        assert SnapshotState.WANTED.value not in made(play)

"""Snapshots by schedule on a whole controller in memory: once a period, whoever acts and whatever one clock says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.api.changes.quotas import Quotas
from controller.api.status import status
from controller.model import Every, NodeId, Operation, Policy, Schedule, Spec, VolumeKey, VolumeName
from controller.reconciler.snapshots.scheduler import MOST_AT_ONCE, Scheduler, schedulers
from controller.volumes.quotas import Quota
from drivers.base import Refused, Room
from drivers.memory_storage import Fault
from tests.support.shell import DATA, Controller, Scene, scene
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


async def test_of_a_disk_on_no_vm_none_is_made_nor_missed_and_one_at_once_when_a_vm_has_it_again() -> None:
    async with scene() as play:
        await daily(play)
        await unused(play)
        play.cluster.swarm.nodes[NodeId("a")] = replace(play.cluster.swarm.nodes[NodeId("a")], available=False)
        await asyncio.sleep(60)
        assert not any(play.cluster.storage.attached.values())
        shifted(play.one, 2 * DAY)
        await asyncio.sleep(MINUTE)
        assert (made(play), play.one.state.overdue) == (["there"], {})
        play.want("b", "t2")
        await play.until(("b",))
        await asyncio.sleep(20)

        assert (made(play), play.one.state.overdue) == (["there", "there"], {})


async def test_a_task_that_comes_between_order_and_copy_waits_for_neither() -> None:
    """The copy of a disk at rest would hold it: such a one is refused, also where its detach was not seen yet."""
    async with scene() as play:
        kept = await daily(play)
        disk = play.cluster.record().disk
        assert disk is not None
        play.cluster.storage.attached.pop(disk)
        refused = await kept.play.one.driver.snapshot(VolumeKey("snap-x"), Spec(1 << 30), disk, at_rest=False)

        assert isinstance(refused, Refused)
        assert play.cluster.storage.copying[disk] == 0


async def test_a_smaller_number_in_the_stack_file_deletes_none_before_the_next_is_there() -> None:
    async with scene() as play:
        await daily(play, keep=3)
        for _ in range(2):
            shifted(play.one, DAY)
            await asyncio.sleep(75)
        play.cluster.swarm.said[DATA] = "daily keep 1"
        await asyncio.sleep(20)
        assert made(play) == ["there"] * 3
        play.cluster.storage.fail(Operation.CREATE, Fault.REFUSED)
        shifted(play.one, DAY)
        await asyncio.sleep(75)
        assert made(play) == [*["there"] * 3, "failed"]
        shifted(play.one, 3600.0)
        await asyncio.sleep(90)

        assert made(play) == ["there"]


async def test_none_is_ordered_that_would_take_the_storage_s_last_room() -> None:
    async with scene() as play:
        kept = await daily(play)
        play.one.state.rooms = (Room("the pool", 2 << 30, 10 << 30),)
        shifted(play.one, DAY)
        await asyncio.sleep(MINUTE)
        assert made(play) == ["there", "there"]
        shifted(play.one, DAY + 3700)
        await asyncio.sleep(MINUTE)
        assert made(play) == ["there", "there"]
        assert "2 of 10 GiB are free on the pool, and a snapshot may take 1024 MiB" in play.one.state.overdue[DATA]
        await kept.make("mine")
        assert (await kept.until("there", "mine")).scheduled is False


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


async def many(play: Scene, nodes: str) -> list[VolumeName]:
    """A volume in use on each of these nodes, each with a schedule, whose copies take long."""
    names = [VolumeName(f"v{number}") for number in range(len(nodes))]
    for name, node in zip(names, nodes, strict=True):
        await play.make(name)
        play.want(node, f"t-{name}", name)
        await play.until((node,), name)
    play.cluster.storage.copy_seconds = 400.0
    for name in names:
        record = play.cluster.record(name)
        spec = replace(record.spec, schedule=Schedule(Every.DAILY, 7))
        await play.one.records.replace_volume(replace(record, spec=spec, formatted=True))
    play.spawn(scheduler(play.one).run())
    await asyncio.sleep(2 * MINUTE)
    return names


async def test_of_many_volumes_so_many_are_ordered_that_people_s_copies_have_room() -> None:
    async with scene() as play:
        names = await many(play, "abc")

        assert sum(play.cluster.record(name).snapshots.wanted for name in names) == MOST_AT_ONCE


async def test_the_disks_of_one_vm_are_copied_one_after_the_other() -> None:
    """A hypervisor that copies one at a time would refuse the others until they are given up."""
    async with scene() as play:
        names = await many(play, "aaa")

        assert sum(play.cluster.record(name).snapshots.wanted for name in names) == 1

"""What is asked of the storage about snapshots, and what is made of its answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import DiskId, Epoch, Operation, Snapshots, SnapshotState
from controller.reconciler.snapshots.acts import SnapshotActs
from controller.reconciler.snapshots.steps import Drop, Make
from controller.reconciler.storage_actions import Deadlines
from drivers.memory_storage import Fault
from tests.support.plans import WANTED
from tests.support.shell import DATA, Controller, Scene, scene
from tests.support.snapshots import keeping

pytestmark = pytest.mark.looptime(idle_step=0.05)


def acts(one: Controller) -> SnapshotActs:
    return SnapshotActs(one.driver, one.state, one.records, one.lead, Deadlines(call=5.0, clone=60.0))


async def noted(play: Scene) -> tuple[Make, Epoch]:
    """A snapshot is wanted, and nobody works at it."""
    keep = await keeping(play)
    keep.work.cancel()
    record, epoch = play.cluster.record(), play.one.lead.epoch
    await play.one.records.replace_volume(replace(record, snapshots=Snapshots((WANTED,))))
    assert record.disk is not None
    assert epoch is not None
    await asyncio.sleep(1)
    return Make(DATA, WANTED, record.disk), epoch


def copies(play: Scene) -> int:
    return sum(len(call.disks) == 2 for call in play.cluster.storage.calls if call.operation is Operation.CREATE)


async def test_whoever_does_not_act_any_more_asks_for_nothing() -> None:
    async with scene() as play:
        step, epoch = await noted(play)
        await play.take_over("b")

        assert "another controller" in str(await acts(play.one).carry_out(step, epoch))
        assert copies(play) == 0
        assert play.cluster.record().snapshots.each == (WANTED,)


async def test_a_copy_without_an_end_is_given_up_and_looked_at_again() -> None:
    async with scene() as play:
        step, epoch = await noted(play)
        play.cluster.storage.copy_seconds = 1e6

        assert await acts(play.one).carry_out(step, epoch) == "no answer within 60 s"
        assert play.cluster.record().snapshots.each == (WANTED,)


async def test_the_same_snapshot_that_is_asked_for_twice_is_one_disk() -> None:
    """A leader may have died after the storage had answered."""
    async with scene() as play:
        step, epoch = await noted(play)
        play.cluster.storage.fail(Operation.CREATE, Fault.LOST_AFTER)
        assert "no answer" in str(await acts(play.one).carry_out(step, epoch))
        disks = {*play.cluster.storage.disks}
        assert await acts(play.one).carry_out(step, epoch) is None

        assert {*play.cluster.storage.disks} == disks
        (made,) = play.cluster.record().snapshots.each
        assert (made.state, made.disk in disks) == (SnapshotState.THERE, True)


@pytest.mark.parametrize("known", [True, False])
async def test_one_that_leaves_takes_its_disk_along_whether_the_record_knew_it_or_not(known: bool) -> None:
    async with scene() as play:
        step, epoch = await noted(play)
        await acts(play.one).carry_out(step, epoch)
        (made,) = play.cluster.record().snapshots.each
        disk = made.disk or DiskId("")
        leaving = replace(made, state=SnapshotState.LEAVING, disk=disk if known else None)
        await play.one.records.replace_volume(replace(play.cluster.record(), snapshots=Snapshots((leaving,))))
        assert disk in play.cluster.storage.disks

        assert await acts(play.one).carry_out(Drop(DATA, leaving), epoch) is None
        assert disk not in play.cluster.storage.disks
        assert play.cluster.record().snapshots == Snapshots()


async def test_one_whose_disk_cannot_be_deleted_stays_in_the_record() -> None:
    """Without it nobody would know that the disk is left."""
    async with scene() as play:
        step, epoch = await noted(play)
        await acts(play.one).carry_out(step, epoch)
        (made,) = play.cluster.record().snapshots.each
        play.cluster.storage.fail(Operation.DELETE, Fault.REFUSED)

        assert "was told to refuse" in str(await acts(play.one).carry_out(Drop(DATA, made), epoch))
        assert play.cluster.record().snapshots.each == (made,)

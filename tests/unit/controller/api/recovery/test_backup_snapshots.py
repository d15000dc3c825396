"""Snapshots in a backup of the records, and a volume that was restored from one."""

from __future__ import annotations

import asyncio

import pytest

from controller.protocol.answers import Rejection
from controller.protocol.operator import Adopt, Import, Imported
from tests.support.shell import DATA, scene
from tests.support.snapshots import keeping, unused

pytestmark = pytest.mark.looptime(idle_step=0.05)


async def test_a_restored_volume_comes_back_with_the_disk_that_it_has_and_its_snapshots() -> None:
    """What it had before lies beside it under its own key, and is no other life of it."""
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        await unused(play)
        await keep.restore()
        await keep.restored()
        await asyncio.sleep(5)
        before, found = play.cluster.record(), await play.one.backup_requests.export()
        assert not isinstance(found, Rejection)
        play.cluster.store.volumes.clear()
        await asyncio.sleep(5)

        told = await play.one.backup_requests.bring_back(Import(found.epoch, found.records))
        assert isinstance(told, Imported), told
        assert (told.refused, play.cluster.record().disk) == ((), before.disk)
        assert play.cluster.record().snapshots == before.snapshots
        play.want("b", "t2")
        await play.until(("b",))


async def test_a_snapshot_of_a_volume_is_not_adopted_and_one_that_no_record_knows_is() -> None:
    """Where the records are gone, what a snapshot has is not: it is taken over as a volume's own disk."""
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        disk = (await keep.until("there")).disk
        key = disk.removeprefix("memory-")
        refused = await play.one.adoption_requests.adopt(Adopt("other", key, "1GiB"))
        assert isinstance(refused, Rejection)
        assert "is a snapshot of volume data" in refused.why
        await unused(play)
        play.cluster.store.volumes.clear()
        await asyncio.sleep(5)

        assert not isinstance(await play.one.adoption_requests.adopt(Adopt(DATA, key, "1GiB")), Rejection)
        assert keep.read() == b"first"

"""Snapshots beside the real loop, on memory: made under a volume in use, never in the way of a failover."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import DiskId, Moment, NodeId, Operation, SnapshotState, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume, RemoveVolume
from controller.protocol.operator import Grow
from drivers.memory_storage import CAPABILITIES, Fault, MemoryStorage
from tests.support.shell import DATA, FakeCluster, scene
from tests.support.snapshots import keeping, requests, unused, works

pytestmark = pytest.mark.looptime(idle_step=0.05)
COPY = VolumeName("copy")


async def test_a_volume_in_use_is_kept_as_it_was_when_the_copy_began_and_goes_on() -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.cluster.storage.copy_seconds = 30.0
        assert not isinstance(await keep.make(), Rejection)
        await asyncio.sleep(5)
        keep.write(b"second")
        found = await keep.until("there")

        assert (keep.read(found.disk), keep.read()) == (b"first", b"second")
        assert play.cluster.writers() == ("vm-a",)
        assert found.size_bytes == 1 << 30


async def test_a_failover_does_not_wait_for_a_snapshot_and_none_is_found_half() -> None:
    """The copy ends with its VM, and is made anew where the volume is by then."""
    took = []
    for slow in (False, True):
        async with scene() as play:
            keep = await keeping(play)
            if slow:
                play.cluster.storage.copy_seconds = 100.0
                await keep.make()
                await asyncio.sleep(5)
            began = asyncio.get_running_loop().time()
            play.cluster.crash("a")
            play.cluster.down("a")
            play.want("b", "t2")
            await play.until(("b",))
            took.append(asyncio.get_running_loop().time() - began)
            assert all(each.state is not SnapshotState.THERE for each in play.cluster.record().snapshots.each)
            if slow:
                keep.write(b"after")
                assert keep.read((await keep.until("there")).disk) in {b"first", b"after"}
    assert took[1] == pytest.approx(took[0], abs=1.5)


async def test_whoever_acts_next_finishes_what_was_noted() -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.cluster.storage.copy_seconds = 20.0
        await keep.make()
        await asyncio.sleep(5)
        keep.work.cancel()
        play.loop.cancel()
        two = await play.take_over("b")
        play.spawn(works(two).run())
        keep.requests = requests(two)

        assert keep.read((await keep.until("there")).disk) == b"first"


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.UNREACHABLE])
async def test_a_snapshot_without_an_answer_is_asked_for_again(fault: Fault) -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.cluster.storage.fail(Operation.CREATE, fault)
        await keep.make()

        assert keep.read((await keep.until("there")).disk) == b"first"
        assert len([disk for disk in play.cluster.storage.disks if "snap-" in disk]) == 1


async def test_one_that_the_storage_refuses_has_failed_and_goes_when_it_is_deleted() -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.cluster.storage.fail(Operation.CREATE, Fault.REFUSED)
        await keep.make()

        assert "told to refuse" in (await keep.until("failed")).why
        await keep.delete()
        await keep.gone()
        assert [disk for disk in play.cluster.storage.disks if "snap-" in disk] == []


async def test_one_that_the_storage_never_answers_for_has_failed_after_its_time_with_the_last_reason() -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.cluster.storage.fail(Operation.CREATE, *[Fault.LOST_BEFORE] * 100)
        await keep.make()

        assert "no answer to this create" in (await keep.until("failed")).why


async def test_a_snapshot_is_deleted_with_its_disk_and_the_volume_goes_on() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        disk = (await keep.until("there")).disk
        await keep.delete()
        await keep.gone()

        assert disk not in play.cluster.storage.disks
        assert play.cluster.writers() == ("vm-a",)


async def test_a_volume_is_restored_and_what_it_had_is_kept() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        keep.write(b"spoilt")
        before = play.cluster.record()
        await unused(play)
        assert not isinstance(await keep.restore(), Rejection)
        await keep.restored()

        record = play.cluster.record()
        assert (keep.read(), record.disk != before.disk) == (b"first", True)
        assert (record.fs_uuid, record.formatted) == (before.fs_uuid, True)
        assert keep.read((await keep.all())[-1].disk) == b"spoilt"
        assert "restored from snapshot nightly" in play.cluster.entry(Moment.CREATED).text
        play.want("b", "t2")
        await play.until(("b",))
        assert play.cluster.gates[NodeId("b")].formatted == []


async def test_a_task_that_comes_while_a_volume_is_restored_waits_and_gets_what_was_asked_for() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        keep.write(b"spoilt")
        await unused(play)
        play.cluster.storage.copy_seconds = 50.0
        await keep.restore()
        play.want("a", "t2")
        await asyncio.sleep(20)
        assert play.cluster.writers() == ()
        assert "is being restored from its snapshot nightly" in play.one.state.why(DATA)
        await play.until(("a",))

        assert keep.read() == b"first"


async def test_a_volume_that_has_grown_since_is_restored_as_large_as_it_is() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        await play.one.growth_requests.grow(Grow(DATA, "2GiB"))
        await unused(play)
        await keep.restore()
        await keep.restored()

        disk = play.cluster.record().disk
        assert disk is not None
        assert (keep.read(), play.cluster.storage.disks[disk]) == (b"first", 2 << 30)


async def test_a_restore_that_is_given_up_leaves_the_volume_and_no_disk_behind() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        await unused(play)
        play.cluster.storage.copy_seconds = 50.0
        disks = {*play.cluster.storage.disks}
        await keep.restore()
        await asyncio.sleep(10)
        await keep.restore("")
        await asyncio.sleep(120)

        assert {*play.cluster.storage.disks} == disks
        assert [each.name for each in await keep.all()] == ["nightly"]
        play.want("b", "t2")
        await play.until(("b",))


async def test_a_removed_volume_takes_its_snapshots_along_and_its_record_goes_last() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        play.cluster.swarm.services.clear()
        await unused(play)
        play.cluster.swarm.services.clear()
        await asyncio.sleep(5)
        assert not isinstance(await play.one.volume_requests.remove(RemoveVolume(DATA)), Rejection)
        while DATA in play.cluster.store.volumes:  # noqa: ASYNC110 -- looptime: nobody tells
            await asyncio.sleep(0.1)

        assert play.cluster.storage.disks == {}


async def test_a_new_volume_begins_as_a_snapshot_of_one_that_is_in_use() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        keep.write(b"second")
        options = {"clone-from": DATA, "clone-snapshot": "nightly"}
        made = await play.one.volume_requests.create(CreateVolume(COPY, options))
        assert not isinstance(made, Rejection), made
        play.want("b", "t2", COPY)
        await play.until(("b",), COPY)

        disk = play.cluster.record(COPY).disk
        assert keep.read(disk) == b"first"
        assert play.cluster.writers() == ("vm-a",)
        assert play.cluster.record(COPY).fs_uuid != play.cluster.record().fs_uuid


async def test_where_the_driver_copies_at_rest_alone_an_idle_disk_is_taken_from_its_vm_first() -> None:
    cluster = FakeCluster(storage=MemoryStorage(replace(CAPABILITIES, snapshots=False)))
    async with scene(cluster) as play:
        keep = await keeping(play)
        refused = await keep.make()
        assert isinstance(refused, Rejection)
        assert "docker service scale" in refused.why
        await unused(play)
        assert not isinstance(await keep.make(), Rejection)

        assert keep.read((await keep.until("there")).disk) == b"first"
        assert play.cluster.storage.attached[play.cluster.record().disk or DiskId("")] == set()

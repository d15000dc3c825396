"""What people order of snapshots: written down, or refused with what can be done."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.api.changes.snapshots import SnapshotRequests
from controller.model import NodeId, Power, Snapshot, Snapshots, SnapshotState, VmId
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import CreateVolume, RemoveVolume
from controller.protocol.operator import Grow, ListSnapshots, MakeSnapshot, RestoreSnapshot
from controller.protocol.views import SnapshotView
from controller.reconciler.snapshots.schedule import MOST
from controller.records.memory import Call
from controller.records.memory import Fault as RecordFault
from controller.records.rewriting import ATTEMPTS
from tests.support.shell import DATA, Scene, scene
from tests.support.snapshots import keeping, requests, unused

pytestmark = pytest.mark.looptime(idle_step=0.05)


def refused(answer: object, words: str, status: Status = Status.CONFLICT) -> bool:
    assert isinstance(answer, Rejection), answer
    assert words in answer.why, answer.why
    return answer.status is status


async def having(play: Scene, *each: Snapshot) -> None:
    record = play.cluster.record()
    await play.one.records.replace_volume(replace(record, snapshots=Snapshots(each)))


def there(name: str) -> Snapshot:
    return Snapshot(name, name, SnapshotState.THERE, 1.0, 1 << 30, None)


async def test_a_snapshot_is_noted_before_anything_is_asked_of_the_storage() -> None:
    async with scene() as play:
        keep = await keeping(play)
        keep.work.cancel()
        made = await keep.make()

        assert isinstance(made, SnapshotView)
        assert (made.name, made.state, made.size_bytes) == ("nightly", "wanted", 1 << 30)
        assert [each.name for each in play.cluster.record().snapshots.each] == ["nightly"]


async def test_without_a_name_it_gets_one_of_the_time() -> None:
    async with scene() as play:
        keep = await keeping(play)
        made = await keep.make("")

        assert isinstance(made, SnapshotView)
        assert made.name.startswith("202311")


@pytest.mark.parametrize("name", ["a b", "../x", "-x", "x" * 64, "a@b", "ä"])
async def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    async with scene() as play:
        keep = await keeping(play)
        assert refused(await keep.make(name), "is no name for a snapshot", Status.BAD)


async def test_what_cannot_be_kept_is_told() -> None:
    async with scene() as play:
        missing = await requests(play.one).make(MakeSnapshot("nothing"))
        assert refused(missing, "there is no volume nothing", Status.MISSING)
        await play.make()
        assert refused(await requests(play.one).make(MakeSnapshot(DATA)), "was never used")
        without = SnapshotRequests(play.one.state, play.one.records, None)
        assert refused(await without.make(MakeSnapshot(DATA)), "no storage is configured")


async def test_a_name_is_used_once_and_there_are_only_so_many() -> None:
    """They stand in the volume's record, which Swarm's Raft keeps."""
    async with scene() as play:
        keep = await keeping(play)
        await having(play, *[there(f"s{number}") for number in range(MOST - 1)])
        assert refused(await keep.make("s1"), "has a snapshot s1 already")
        assert isinstance(await keep.make("last"), SnapshotView)
        assert refused(await keep.make("more"), f"has {MOST} snapshots")


async def test_a_disk_that_is_being_made_larger_is_not_kept_and_one_that_is_kept_does_not_grow() -> None:
    """Their sizes would be another one's."""
    async with scene() as play:
        keep = await keeping(play)
        play.one.state.growing.add(DATA)
        assert refused(await keep.make(), "is being made larger")
        play.one.state.growing.discard(DATA)
        play.cluster.storage.copy_seconds = 30.0
        await keep.make()
        assert refused(await play.one.growth_requests.grow(Grow(DATA, "2GiB")), "a snapshot of volume data")


async def test_a_volume_in_use_or_one_whose_snapshot_is_not_there_is_not_restored() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        assert refused(await keep.restore(), "=0`, and say it again")
        await unused(play)
        assert refused(await keep.restore("another"), "it has: nightly", Status.MISSING)
        await having(play, replace(there("nightly"), state=SnapshotState.FAILED))
        assert refused(await keep.restore(), "is failed, and not there")
        assert refused(await keep.restore(""), "is not being restored")


async def test_a_snapshot_that_is_being_used_is_not_deleted() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        play.cluster.storage.copy_seconds = 100.0
        options = {"clone-from": DATA, "clone-snapshot": "nightly"}
        await play.one.volume_requests.create(CreateVolume("copy", options))
        await asyncio.sleep(5)
        assert refused(await keep.delete(), "volume copy is being made as a copy of it")
        assert refused(await keep.delete("another"), "has no snapshot another", Status.MISSING)
        await unused(play)
        play.cluster.swarm.services.clear()
        await asyncio.sleep(1)
        removed = await play.one.volume_requests.remove(RemoveVolume(DATA))
        assert refused(removed, "volume copy is being made as a copy of volume data")


async def test_a_restore_that_is_ordered_as_soon_as_a_service_is_stopped_waits_for_the_end_of_its_permission() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        del play.cluster.swarm.wants[DATA]
        play.cluster.swarm.services[DATA] = ("db",)
        await play.cluster.gates[NodeId("a")].stop(DATA)
        assert play.cluster.record().grants
        assert not isinstance(await keep.restore(), Rejection)


async def test_while_a_volume_is_restored_its_snapshot_stays_and_no_other_is_made() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        await unused(play)
        play.cluster.storage.copy_seconds = 100.0
        await keep.restore()
        assert refused(await keep.delete(), "is being restored from it")
        assert refused(await keep.make("another"), "is being restored from snapshot nightly")
        assert (await keep.all())[0].restoring


async def test_a_list_has_all_volumes_or_one_and_a_reason_for_what_waits() -> None:
    async with scene() as play:
        keep = await keeping(play)
        await having(play, there("a"), replace(there("b"), state=SnapshotState.WANTED))
        play.one.state.snapshots[DATA, "b"] = "it waits"
        found = await keep.requests.list(ListSnapshots())
        assert not isinstance(found, Rejection)
        assert [(each.volume, each.name, each.why) for each in found.snapshots] == [
            (DATA, "a", ""),
            (DATA, "b", "it waits"),
        ]
        assert refused(await keep.requests.list(ListSnapshots("nothing")), "there is no volume", Status.MISSING)


async def test_without_the_records_nothing_is_promised() -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.one.records.fail(Call.REPLACE_VOLUME, RecordFault.LOST_BEFORE)
        assert refused(await keep.make(), "", Status.UNAVAILABLE)
        for _ in range(ATTEMPTS):
            play.one.records.fail(Call.REPLACE_VOLUME, RecordFault.STALE)
        again = await keep.make()
        assert refused(again, "being changed all the time", Status.UNAVAILABLE)


async def test_a_restore_is_not_ordered_before_it_is_seen_who_uses_the_volume() -> None:
    async with scene() as play:
        keep = await keeping(play)
        play.loop.cancel()
        asked = RestoreSnapshot(DATA, "nightly")
        assert refused(await keep.requests.restore(asked), "cannot be seen", Status.UNAVAILABLE)


async def test_a_volume_that_a_task_was_permitted_to_mount_is_not_restored_before_that_is_over() -> None:
    """The next task could mount under it, and the volume would be restored when that one ends."""
    async with scene() as play:
        keep = await keeping(play)
        await keep.make()
        await keep.until("there")
        play.cluster.gates[NodeId("a")].frozen = True
        del play.cluster.swarm.wants[DATA]
        play.cluster.swarm.services[DATA] = ("db",)
        await asyncio.sleep(1)
        assert refused(await keep.restore(), "a task of volume data may still have it")
        play.cluster.storage.switch(VmId("vm-a"), Power.OFF)
        await asyncio.sleep(60)  # until the gate's last word counts no more
        assert not isinstance(await keep.restore(), Rejection)
        await keep.restored()

"""A removal can be taken back: the disk is kept for a while, and deleted after it, or at once if that is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.api.status import explain
from controller.model import Epoch, Intent, Moment, NodeId, Operation, Phase
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume, Empty, RemoveVolume
from controller.protocol.operator import Told, Undelete
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime
DAY = 300.0  # as good as one here


def keeping(seconds: float = DAY) -> FakeCluster:
    cluster = FakeCluster()
    cluster.keep_removed = seconds
    return cluster


async def used(play: Scene) -> None:
    """A service had it, wrote to it, and is gone."""
    await play.make()
    play.want("a")
    await play.until(("a",))
    play.cluster.swarm.wants.clear()
    await play.cluster.gates[play.cluster.record().grants[0].node].stop(DATA)
    await asyncio.sleep(5)


async def remove(play: Scene, *, now: bool = False) -> None:
    assert await play.one.volume_requests.remove(RemoveVolume(DATA, now)) == Empty()


async def undelete(play: Scene) -> Told | Rejection:
    return await play.one.undelete_requests.undelete(Undelete(DATA, "ann"))


async def test_a_removal_that_is_taken_back_gives_a_service_the_same_data() -> None:
    async with scene(keeping()) as play:
        await used(play)
        disk = play.cluster.record().disk
        await remove(play)
        await asyncio.sleep(DAY - 60)
        assert not any(play.cluster.storage.attached.values())

        assert isinstance(await undelete(play), Told)
        play.want("b", "t2")
        await play.until(("b",))
        record = play.cluster.record()
        assert (record.disk, record.phase, record.delete_at) == (disk, Phase.READY, None)
        assert "taken back by ann" in play.cluster.entry(Moment.CREATED).text


async def test_the_disk_goes_when_its_time_is_over_and_not_before() -> None:
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        await asyncio.sleep(DAY - 60)
        assert play.cluster.storage.disks
        await asyncio.sleep(120)
        assert play.cluster.storage.disks == {}
        assert play.cluster.store.volumes == {}
        refused = await undelete(play)
        assert isinstance(refused, Rejection)
        assert "its disk was deleted" in refused.why


async def test_another_controller_keeps_it_as_long() -> None:
    """The time is in the record: a change of the leader neither shortens nor prolongs it."""
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        await play.take_over("b")
        await asyncio.sleep(DAY - 120)
        assert play.cluster.storage.disks
        await asyncio.sleep(240)
        assert play.cluster.storage.disks == {}


async def test_it_is_deleted_at_once_where_that_is_asked_for() -> None:
    """Also after the removal, when the room in the storage is needed."""
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        await asyncio.sleep(60)
        assert play.cluster.storage.disks
        await remove(play, now=True)
        await asyncio.sleep(30)
        assert play.cluster.storage.disks == {}


async def test_a_volume_that_nobody_ever_wrote_to_is_not_kept() -> None:
    async with scene(keeping()) as play:
        await play.make()
        await asyncio.sleep(5)
        assert play.cluster.storage.disks
        await remove(play)
        await asyncio.sleep(30)
        assert play.cluster.store.volumes == {}


async def test_a_leader_whose_clock_is_days_ahead_deletes_no_disk_that_is_to_be_kept() -> None:
    """Most nodes' clocks count. They are heard a moment after it begins to act."""
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        two, wall = await play.take_over("b"), play.one.state.wall
        two.state.wall = lambda: wall() + 9 * DAY
        await asyncio.sleep(5)
        two.state.clock_offsets.update({NodeId("a"): -9 * DAY, NodeId("b"): 0.0, NodeId("c"): -9 * DAY})
        await asyncio.sleep(DAY - 60)
        assert play.cluster.storage.disks

        await asyncio.sleep(90)
        assert not play.cluster.storage.disks


async def test_a_leader_whose_clock_is_behind_keeps_the_disk_for_the_whole_time() -> None:
    async with scene(keeping()) as play:
        await used(play)
        play.one.state.clock_offsets.update({NodeId("a"): 9 * DAY, NodeId("b"): 9 * DAY})
        await remove(play)
        marked = play.cluster.record().delete_at
        assert marked is not None
        assert marked >= play.one.state.wall() + 10 * DAY - 1


async def test_who_makes_the_name_anew_meanwhile_is_told_both_ways() -> None:
    """A stack that is deployed again must neither begin empty by surprise nor wait without a word."""
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        made = await play.one.volume_requests.create(CreateVolume(DATA, {"size": "1GiB"}))
        assert isinstance(made, Rejection)
        assert "`reberth undelete data`" in made.why
        assert "`reberth remove data --now`" in made.why

        play.cluster.keep_removed = 0.0
        assert isinstance(await undelete(play), Told)
        made = await play.one.volume_requests.create(CreateVolume(DATA, {"size": "1GiB"}))
        assert not isinstance(made, Rejection)


async def test_what_was_not_removed_or_never_was_is_refused() -> None:
    async with scene(keeping()) as play:
        missing = await undelete(play)
        assert isinstance(missing, Rejection)
        assert "no record of volume data" in missing.why
        await play.make()
        living = await undelete(play)
        assert isinstance(living, Rejection)
        assert "was not removed" in living.why


async def test_a_delete_that_was_asked_for_is_not_taken_back() -> None:
    """It may be carried out at any later time: a volume that seems to be back would lose its disk then."""
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        store = play.cluster.store.volumes
        store[DATA] = replace(store[DATA], intent=Intent(Operation.DELETE, play.one.lead.epoch or Epoch(1)))
        refused = await undelete(play)
        assert isinstance(refused, Rejection)
        assert "is being deleted already" in refused.why


async def test_people_see_that_it_is_kept_until_when_and_what_they_can_do() -> None:
    async with scene(keeping()) as play:
        await used(play)
        await remove(play)
        await asyncio.sleep(60)
        policy = play.cluster.settings.planner_policy(play.cluster.storage.capabilities)
        found = explain(play.one.state, policy, DATA)

        assert found is not None
        assert found.state == "kept"
        assert "UTC, and deleted then" in found.why
        assert found.cure.startswith("Take it back: `reberth undelete data`.")

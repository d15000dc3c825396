"""A disk that no record knows is taken over with its data, where it is surely free, and is refused elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import DiskId, Epoch, NodeId, Phase, TaskId, VmId, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume
from controller.protocol.operator import Adopt, Told
from controller.volumes.naming import disk_key, label_fits, label_of, volume_key
from controller.volumes.options import difference
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime

UUID = "0d6a3b0c-9f1e-4a53-8a8f-2c7c3f5f4b11"
KEY = disk_key(volume_key(DATA), UUID)
DISK = DiskId(f"memory-{KEY}")
STRANGER = VmId("vm-of-another-swarm")


def with_disk(cluster: FakeCluster | None = None) -> FakeCluster:
    cluster = cluster or FakeCluster()
    cluster.storage.create(DISK, 1 << 30)
    return cluster


async def adopt(play: Scene, volume: str = DATA, disk: str = KEY, **more: str) -> Told | Rejection:
    return await play.one.adoption_requests.adopt(Adopt(volume, disk, **more))


async def refusal(play: Scene, volume: str = DATA, disk: str = KEY, **more: str) -> str:
    told = await adopt(play, volume, disk, **more)
    assert isinstance(told, Rejection), told
    return told.why


async def test_the_command_that_explain_names_gives_the_service_its_data_again() -> None:
    """A swarm made anew: Docker has made the record, its empty disk was refused; the old disk is mounted, as it is."""
    async with scene(with_disk()) as play:
        await play.make()
        play.want("a")
        await asyncio.sleep(2)
        assert f"`reberth adopt {DATA} --disk {KEY}`" in play.one.state.why(DATA)

        assert isinstance(await adopt(play), Told)
        play.want("a", "t2")  # the first was refused at once
        await play.until(("a",))
        record = play.cluster.record()
        assert (record.disk, record.phase, record.formatted) == (DISK, Phase.READY, True)
        assert play.cluster.gates[record.grants[0].node].formatted == []
        assert list(play.cluster.storage.disks) == [DISK]


async def test_a_name_without_a_record_is_adopted_with_the_size_that_is_said() -> None:
    async with scene(with_disk()) as play:
        assert "--size 10GiB" in await refusal(play)
        assert "asked for were 2147483648. Say the disk's size" in await refusal(play, size="2GiB")
        assert isinstance(await adopt(play, size="1GiB", fstype="xfs"), Told)
        assert play.cluster.record().spec.fstype == "xfs"

        assert isinstance(await adopt(play, fstype="ext4"), Told), "said anew before anything used it"
        assert play.cluster.record().spec.fstype == "ext4"


async def test_what_the_record_knows_of_the_disk_is_the_digest_of_its_label() -> None:
    """So the gate mounts no other disk, and a second swarm that is made anew can adopt it again."""
    async with scene(with_disk()) as play:
        await adopt(play, size="1GiB")
        record = play.cluster.record()

    assert record.fs_uuid == label_of(KEY)
    assert label_fits(record.fs_uuid, UUID.upper())
    assert not label_fits(record.fs_uuid, UUID.replace("0", "1"))
    assert (record.carries, record.copy_of) == ("", None)


async def test_a_disk_that_is_in_a_record_or_not_there_or_not_ours_is_refused() -> None:
    async with scene(with_disk()) as play:
        await adopt(play, size="1GiB")
        assert "is that of volume data" in await refusal(play, "other", size="1GiB")
        assert "it has: none" in await refusal(play, "other", "other-0123abcd", size="1GiB")
        assert "is not the key" in await refusal(play, "other", "postgres", size="1GiB")
        assert "template" in await refusal(play, "{{.Node.ID}}", size="1GiB")
        assert sorted(play.cluster.store.volumes) == [DATA]


async def test_a_volume_that_has_its_disk_or_is_used_keeps_it() -> None:
    async with scene() as play:
        await play.make()
        await asyncio.sleep(1)
        play.cluster.storage.create(DISK, 1 << 30)
        own = play.cluster.record().disk
        assert "has its own disk" in await refusal(play)
        play.want("a")
        await play.until(("a",))
        assert "is in use" in await refusal(play)
        assert play.cluster.record().disk == own


async def test_a_disk_on_a_machine_that_nothing_vouches_for_is_refused() -> None:
    """Two swarms with one folder: what another one uses must not be taken from it."""
    cluster = with_disk()
    cluster.storage.add_vm(STRANGER)
    cluster.storage.attach(DISK, STRANGER, Epoch(1))
    async with scene(cluster) as play:
        await asyncio.sleep(1)
        assert "is no node of this swarm" in await refusal(play, size="1GiB")

        cluster.storage.detach(DISK, STRANGER, Epoch(1))
        cluster.storage.attach(DISK, VmId("vm-b"), Epoch(1))
        cluster.gates[NodeId("b")].frozen = True
        await asyncio.sleep(60)
        assert "nothing says whether it is in use there" in await refusal(play, size="1GiB")
        assert cluster.store.volumes == {}


async def test_nothing_is_adopted_while_a_record_cannot_be_read() -> None:
    """The disk may be the one of that record."""
    cluster = with_disk()
    async with scene(cluster) as play:
        await play.make(VolumeName("web"))
        await asyncio.sleep(1)
        cluster.store.unreadable[VolumeName("web")] = "schema 9"
        assert "cannot be read" in await refusal(play, size="1GiB")


async def test_a_record_that_was_removed_behind_our_back_is_missed_and_made_again_under_a_running_container() -> None:
    """Nobody has to stop the database: the disk stays where it is, and its container goes on."""
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.swarm.started.add(TaskId("t1"))
        await asyncio.sleep(5)
        disk = play.cluster.store.volumes.pop(DATA).disk
        assert disk is not None
        await asyncio.sleep(30)
        world = play.one.state.world
        assert world is not None
        assert any(f"its disk is {disk}. Take it back with `reberth adopt data" in each for each in world.unread)

        told = await adopt(play, disk=disk.removeprefix("memory-"), size="1GiB")
        assert isinstance(told, Told), told
        await asyncio.sleep(30)
        world = play.one.state.world
        assert world is not None
        assert world.unread == ()
        assert play.cluster.writers() == ("vm-a",)
        assert play.one.state.why(DATA).endswith("where its task runs.")


async def test_what_else_the_service_asked_for_stays_and_it_is_not_refused_for_its_options() -> None:
    """Its stack file is as it was: with the policy, the owner, and the clone-from that made the disk once."""
    options = {"size": "1GiB", "policy": "hold", "uid": "999", "mode": "0700"}
    async with scene(with_disk()) as play:
        made = await play.one.volume_requests.create(CreateVolume(DATA, options))
        assert not isinstance(made, Rejection), made.why
        await asyncio.sleep(2)
        before = play.cluster.record().spec
        assert isinstance(await adopt(play), Told)

        after = play.cluster.record().spec
        assert replace(after, source=None) == before
        assert difference({**options, "clone-from": "web"}, after) is None

"""`reberth grow`: disk, then record; never smaller; said again after any end it goes on."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import DiskId, Moment
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import CreateVolume, RemoveVolume
from controller.protocol.operator import Grow, Told
from drivers.base import Outcome
from drivers.memory import MemoryDriver
from drivers.memory_storage import Fault, Reading
from tests.support.fake_swarm import FragileRecords
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime
GIB = 1 << 30


async def used(play: Scene) -> DiskId:
    await play.make()
    play.want("a")
    await play.until(("a",))
    found = play.cluster.record().disk
    assert found is not None
    return found


async def grow(play: Scene, size: str) -> Told | Rejection:
    return await play.one.growth_requests.grow(Grow(DATA, size, "ada"))


async def test_a_volume_in_use_grows_and_its_stack_file_may_say_the_old_or_the_new_size() -> None:
    async with scene() as play:
        disk = await used(play)

        assert isinstance(await grow(play, "3GiB"), Told)
        assert (play.cluster.storage.disks[disk], play.cluster.record().spec.size_bytes) == (3 * GIB, 3 * GIB)
        assert play.cluster.moments()[-1] is Moment.GROWN
        assert "from 1073741824 to 3221225472 bytes, by ada" in play.cluster.record().history[-1].text
        for size in ("1GiB", "2GiB", "3GiB"):
            made = await play.one.volume_requests.create(CreateVolume(DATA, {"size": size}))
            assert not isinstance(made, Rejection), size
        for size in ("512MiB", "4GiB"):
            refused = await play.one.volume_requests.create(CreateVolume(DATA, {"size": size}))
            assert isinstance(refused, Rejection), size
            assert ("`reberth grow` on a manager" in refused.why) is (size == "4GiB")


async def test_while_a_disk_grows_it_is_known_that_it_does_and_not_after_any_end() -> None:
    async with scene() as play:
        await used(play)
        play.cluster.storage.seconds = 5.0
        async with asyncio.TaskGroup() as group:
            group.create_task(grow(play, "2GiB"))
            await asyncio.sleep(2)
            assert play.one.state.growing == {DATA}
        assert play.one.state.growing == set()
        play.cluster.storage.fail(Reading.GROW, Fault.UNREACHABLE)
        assert isinstance(await grow(play, "3GiB"), Rejection)
        assert play.one.state.growing == set()


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.UNREACHABLE])
async def test_a_growth_without_an_answer_is_said_again_and_done(fault: Fault) -> None:
    async with scene() as play:
        disk = await used(play)
        play.cluster.storage.fail(Reading.GROW, fault)
        failed = await grow(play, "2GiB")
        assert isinstance(failed, Rejection)
        assert (failed.status, play.cluster.record().spec.size_bytes) == (Status.UNAVAILABLE, GIB)

        assert isinstance(await grow(play, "2GiB"), Told)
        assert (play.cluster.storage.disks[disk], play.cluster.record().spec.size_bytes) == (2 * GIB, 2 * GIB)


async def test_no_volume_becomes_smaller_and_the_storage_is_not_asked() -> None:
    async with scene() as play:
        disk = await used(play)
        refused = await grow(play, "512MiB")
        assert isinstance(refused, Rejection)
        assert (refused.status, "no volume becomes smaller" in refused.why) == (Status.CONFLICT, True)
        assert play.cluster.storage.disks[disk] == GIB
        assert Reading.GROW not in [call.operation for call in play.cluster.storage.calls]


@pytest.mark.parametrize(
    ("size", "words"),
    [("20", "has no unit"), ("much", "is not a size")],
)
async def test_a_size_that_cannot_be_meant_is_refused(size: str, words: str) -> None:
    async with scene() as play:
        await used(play)
        refused = await grow(play, size)
        assert isinstance(refused, Rejection)
        assert words in refused.why


async def test_a_volume_that_is_not_there_was_never_used_or_was_removed_does_not_grow() -> None:
    async with scene() as play:
        missing = await grow(play, "2GiB")
        assert isinstance(missing, Rejection)
        assert missing.status is Status.MISSING
        await play.make()
        unused = await grow(play, "2GiB")
        assert isinstance(unused, Rejection)
        assert "was never used" in unused.why
        await play.one.volume_requests.remove(RemoveVolume(DATA))
        removed = await grow(play, "2GiB")
        assert isinstance(removed, Rejection)
        assert "was removed" in removed.why or "there is no volume" in removed.why


class Buggy(MemoryDriver):
    async def grow(self, disk: DiskId, size_bytes: int) -> Outcome:
        raise KeyError("scsi9:0")


class BuggyCluster(FakeCluster):
    def clients(self) -> tuple[FragileRecords, MemoryDriver]:
        return FragileRecords(self.store), Buggy(self.storage)


async def test_a_bug_of_the_driver_is_told_and_ends_no_controller() -> None:
    """A size in a stack file leads there by itself, and would lead the next controller there, too."""
    async with scene(BuggyCluster()) as play:
        await used(play)
        refused = await grow(play, "3GiB")
        assert isinstance(refused, Rejection)
        assert (refused.status, refused.why) == (
            Status.UNAVAILABLE,
            "internal error in the driver (KeyError: 'scsi9:0')",
        )
        assert play.cluster.record().spec.size_bytes == GIB

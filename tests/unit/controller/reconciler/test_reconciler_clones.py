"""A new volume as a copy of another one, through the real loop, on memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from controller.api.status import explain
from controller.model import BootId, DiskId, Moment, NodeId, Operation, Phase, TaskId, VmId, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume, Empty, MountGrant, MountRequest, RemoveVolume, Volume
from controller.settings import Settings, parse
from drivers.memory_storage import CAPABILITIES, Fault, MemoryStorage
from tests.support.in_use import in_use
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime(idle_step=0.05)  # a call left open would let time go on by milliseconds
COPY = VolumeName("copy")
OPTIONS = {"clone-from": DATA}


async def used(play: Scene, text: bytes = b"rows") -> DiskId:
    """Volume ``data`` was used on node a, and its service is scaled to 0 now."""
    disk = await in_use(play)
    play.cluster.storage.contents[disk] = text
    await scaled_to_0(play)
    return disk


async def scaled_to_0(play: Scene, node: str = "a") -> None:
    del play.cluster.swarm.wants[DATA]
    play.cluster.swarm.services[DATA] = ("db",)
    await play.cluster.gates[NodeId(node)].stop(DATA)
    await asyncio.sleep(5)


async def ask(play: Scene, **more: str) -> Volume | Rejection:
    return await play.one.volume_requests.create(CreateVolume(COPY, OPTIONS | more))


async def made(play: Scene) -> DiskId:
    """Until the copy's disk is there."""
    while play.cluster.record(COPY).phase is not Phase.READY:  # noqa: ASYNC110 -- looptime: nobody tells
        await asyncio.sleep(0.1)
    disk = play.cluster.record(COPY).disk
    assert disk is not None
    return disk


async def test_a_copy_is_made_of_a_volume_that_nobody_uses_though_its_disk_is_still_attached() -> None:
    """The disk is taken from the VM where it ran last, copied, and mounted beside its source on one node."""
    async with scene() as play:
        disk = await used(play)
        assert play.cluster.storage.attached[disk] == {"vm-a"}
        assert not isinstance(await ask(play), Rejection)
        copy = await made(play)
        assert play.cluster.storage.contents[copy] == b"rows"
        assert play.cluster.entry(Moment.CREATED, COPY).text.endswith("a copy of volume data")

        play.want("a", "t2", COPY)
        play.want("a", "t3")
        await play.until(("a",), COPY)
        await play.until(("a",))
        await asyncio.sleep(1)
        assert play.cluster.gates[NodeId("a")].formatted == [DATA]


async def test_the_first_grant_of_a_copy_lets_its_label_be_written_and_never_allows_a_format() -> None:
    async with scene() as play:
        await used(play)
        await ask(play)
        await made(play)
        play.cluster.swarm.wants[COPY] = (TaskId("t2"), NodeId("b"))
        answer = await play.one.gate_requests.mount(NodeId("b"), MountRequest(COPY, VmId("vm-b"), BootId("boot-b-1")))
        assert isinstance(answer, MountGrant)
        data, copy = play.cluster.record(), play.cluster.record(COPY)
        assert (answer.fs_uuid, answer.may_format) == (data.fs_uuid, False)
        assert (answer.label, answer.source_label) == (copy.fs_uuid, data.fs_uuid)


async def test_the_grant_of_a_volume_that_is_no_copy_is_what_a_gate_without_copies_knows() -> None:
    """During an upgrade the gates are older than the controllers, or newer; the grant of a copy they refuse."""
    async with scene() as play:
        await used(play)
        play.cluster.swarm.wants[DATA] = (TaskId("t2"), NodeId("b"))
        answer = await play.one.gate_requests.mount(NodeId("b"), MountRequest(DATA, VmId("vm-b"), BootId("boot-b-1")))
        assert isinstance(answer, MountGrant)
        assert {"label", "source_label"}.isdisjoint(msgspec.json.decode(msgspec.json.encode(answer)))


async def test_a_wish_to_copy_waits_for_a_service_that_uses_the_source_and_says_for_which() -> None:
    async with scene() as play:
        await in_use(play)
        await asyncio.sleep(1)
        await ask(play)
        await asyncio.sleep(60)
        assert play.cluster.record(COPY).phase is Phase.CREATING
        found = explain(play.one.state, Settings().planner_policy(CAPABILITIES), COPY)
        assert found is not None
        assert "copy of volume data, but service service-data uses it" in found.why
        assert "docker service scale" in found.cure
        assert found.copy_of == DATA

        await scaled_to_0(play)
        await made(play)


async def test_a_wish_to_copy_does_not_delay_a_failover_of_the_source() -> None:
    async with scene() as play:
        await in_use(play)
        await asyncio.sleep(1)
        await ask(play)
        play.cluster.crash("a")
        play.cluster.down("a")
        start = asyncio.get_running_loop().time()
        play.want("b", "t2")
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - start < 0.1


async def test_a_copy_under_way_holds_the_source_back_until_it_is_whole_and_says_so() -> None:
    """What is copied is the source as it was at one time."""
    async with scene() as play:
        disk = await used(play)
        play.cluster.storage.copy_seconds = 40.0
        await ask(play)
        await asyncio.sleep(10)
        assert play.cluster.storage.copying[disk] == 1
        play.want("b", "t2")
        await asyncio.sleep(20)
        assert play.cluster.writers() == ()
        assert "is being copied" in play.one.state.setbacks[DATA]
        assert play.one.state.why(COPY) == "Volume copy is being made as a copy of volume data."
        await play.until(("b",))
        assert play.cluster.record(COPY).phase is Phase.READY


async def test_a_copy_may_take_longer_than_other_calls_and_is_begun_anew_after_its_own_deadline() -> None:
    cluster = FakeCluster(parse("[loop]\nclone_deadline = 300", {}))
    async with scene(cluster) as play:
        await used(play)
        play.cluster.storage.copy_seconds = 200.0
        await ask(play)
        await made(play)
    cluster = FakeCluster(parse("[loop]\nclone_deadline = 100", {}))
    async with scene(cluster) as play:
        await used(play)
        play.cluster.storage.copy_seconds = 200.0
        await ask(play)
        await asyncio.sleep(150)
        assert "in doubt" in play.one.state.setbacks[COPY]
        play.cluster.storage.copy_seconds = 50.0
        await made(play)


@pytest.mark.parametrize("writes", [1, 2, 3, 4])
async def test_the_next_controller_finishes_a_copy_that_the_last_one_began(writes: int) -> None:
    """It dies before the source is freed, before the copy is asked for, or before it is written down."""
    async with scene() as play:
        await used(play)
        play.die_after(writes)
        await ask(play)
        await asyncio.sleep(5)
        two = await play.take_over("b")
        await made(play)
        assert two.state.setbacks == {}


async def test_a_copy_that_was_made_and_not_written_down_is_found_while_its_source_is_in_use_again() -> None:
    async with scene() as play:
        await used(play)
        play.cluster.storage.fail(Operation.CREATE, Fault.LOST_AFTER)
        await ask(play)
        while len(play.cluster.storage.disks) < 2:  # noqa: ASYNC110 -- looptime: nobody tells
            await asyncio.sleep(0.01)
        play.want("c", "t2")
        await play.until(("c",))
        assert play.cluster.record(COPY).phase is Phase.CREATING
        assert play.cluster.storage.contents[await made(play)] == b"rows"


async def test_a_record_of_a_copy_without_a_disk_never_gets_an_empty_one() -> None:
    """Whatever it says about itself: a disk is made empty for a volume that is no copy."""
    async with scene() as play:
        await used(play)
        await ask(play)
        disk = await made(play)
        await asyncio.sleep(1)
        record = play.cluster.record(COPY)
        play.cluster.store.volumes[COPY] = replace(record, disk=None)
        play.cluster.storage.delete(disk)
        play.one.state.wakeup("the record was tampered with")
        await asyncio.sleep(20)
        assert play.cluster.record(COPY).disk == disk
        assert play.cluster.storage.contents[disk] == b"rows"


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.REFUSED, Fault.UNREACHABLE])
async def test_a_copy_is_made_whatever_becomes_of_its_first_call(fault: Fault) -> None:
    async with scene() as play:
        await used(play)
        play.cluster.storage.fail(Operation.CREATE, fault)
        await ask(play)
        assert play.cluster.storage.contents[await made(play)] == b"rows"


async def test_what_is_being_copied_is_not_removed_and_what_was_copied_is() -> None:
    async with scene() as play:
        disk = await used(play)
        del play.cluster.swarm.services[DATA]
        play.cluster.storage.copy_seconds = 60.0
        await ask(play)
        refused = await play.one.volume_requests.remove(RemoveVolume(DATA))
        assert isinstance(refused, Rejection)
        assert "volume copy is being made as a copy of volume data" in refused.why
        copy = await made(play)

        assert isinstance(await play.one.volume_requests.remove(RemoveVolume(DATA)), Empty)
        await asyncio.sleep(5)
        assert disk not in play.cluster.storage.disks
        assert play.cluster.storage.contents[copy] == b"rows"
        assert not isinstance(await ask(play), Rejection)  # the stack file still says it


async def test_a_copy_that_is_removed_while_it_is_made_leaves_nothing() -> None:
    async with scene() as play:
        disk = await used(play)
        play.cluster.storage.copy_seconds = 60.0
        await ask(play)
        await asyncio.sleep(10)
        assert isinstance(await play.one.volume_requests.remove(RemoveVolume(COPY)), Empty)
        await asyncio.sleep(120)
        assert COPY not in play.cluster.store.volumes
        assert set(play.cluster.storage.disks) == {disk}


async def test_what_cannot_be_copied_is_said_at_once() -> None:
    async with scene() as play:
        missing = await ask(play)
        await play.make()
        unused = await ask(play)
    async with scene(FakeCluster(storage=MemoryStorage(replace(CAPABILITIES, clones=False)))) as play:
        await play.make()
        incapable = await ask(play)
    said = [each.why for each in (missing, unused, incapable) if isinstance(each, Rejection)]
    assert len(said) == 3
    assert "there is no volume data to copy" in said[0]
    assert "still being made" in said[1] or "was never used" in said[1]
    assert "cannot copy disks" in said[2]

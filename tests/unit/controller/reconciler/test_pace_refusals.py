"""A call that the storage refuses again and again is not "under way": whoever waits reads what it answered."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.status import explain
from controller.model import DiskId, NodeId, Operation, TaskId
from controller.planner.remedies import NOBODY
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import MountRequest, RemoveVolume
from controller.protocol.views import Explanation
from controller.reconciler.pace import MEND, retried
from drivers.memory_storage import Fault
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime

EARLIER = DiskId("memory-data-3a6eb0790f39-0123abcd")


def told(play: Scene) -> Explanation:
    policy = play.cluster.settings.planner_policy(play.cluster.storage.capabilities)
    found = explain(play.one.state, policy, DATA)
    assert found is not None
    return found


async def refused(play: Scene, operation: Operation) -> Explanation:
    """After the first refusals of this kind of call, while they go on."""
    play.cluster.storage.fail(operation, *[Fault.REFUSED] * 40)
    if operation is Operation.CREATE:
        await play.make()
        await asyncio.sleep(5)
        return told(play)
    await play.make()
    await asyncio.sleep(1)
    if operation is Operation.ATTACH:
        play.want("a")
    if operation is Operation.DELETE:
        await play.one.volume_requests.remove(RemoveVolume(DATA))
    if operation is Operation.DETACH:
        play.want("a")
        await play.until(("a",))
        play.cluster.swarm.wants.clear()
        play.cluster.crash("a")
        play.cluster.down("a")
    await asyncio.sleep(20)
    return told(play)


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.DELETE, Operation.ATTACH, Operation.DETACH])
async def test_what_is_refused_again_and_again_is_told_with_the_storages_sentence(operation: Operation) -> None:
    """Not "under way, nothing to do": nothing will come of it before somebody mends what the sentence names."""
    async with scene() as play:
        found = await refused(play, operation)

        sentence = f"the storage refused to {operation.value}: the storage in memory was told to refuse this"
        assert sentence in found.why
        assert (found.state, found.cure) == ("waiting", MEND)
        assert play.one.state.why(DATA).count("was told to refuse") == 1


@pytest.mark.parametrize("why", ["disk 7 is attached to swarm02", "disk 7 is attached to swarm02."])
def test_what_is_tried_again_is_told_in_whole_sentences_whether_or_not_the_storage_ends_its_own(why: str) -> None:
    assert retried(DATA, why) == "Volume data: disk 7 is attached to swarm02. It is tried again by itself."


async def test_one_refusal_is_an_ordinary_thing_and_is_not_told() -> None:
    """The next attempt comes at once: nobody is to be woken by it."""
    async with scene() as play:
        play.cluster.storage.fail(Operation.CREATE, Fault.REFUSED)
        await play.make()
        await asyncio.sleep(0.3)

        assert (told(play).state, told(play).cure) == ("working", NOBODY)


async def test_a_disk_of_an_earlier_volume_is_an_alarm_at_once_and_ends_when_it_is_gone() -> None:
    """Only a person can say what that data is worth; afterwards the volume goes on by itself."""
    async with scene() as play:
        play.cluster.storage.create(EARLIER, 1 << 30)
        await play.make()
        await asyncio.sleep(1)

        assert told(play).state == "ALARM"
        assert "data-3a6eb0790f39-0123abcd of an earlier volume data" in told(play).why
        assert "rename that disk" in told(play).cure

        play.cluster.storage.delete(EARLIER)
        await asyncio.sleep(60)
        assert told(play).state == "ok"


async def test_a_mount_is_told_at_once_what_only_a_person_can_cure_and_not_what_is_tried_again() -> None:
    """So that Swarm shows it, and tries another node, instead of waiting for it a minute and a half."""
    async with scene() as play:
        play.cluster.storage.create(EARLIER, 1 << 30)
        await play.make()
        play.cluster.swarm.wants[DATA] = (TaskId("t1"), NodeId("a"))
        asked = MountRequest(DATA, "vm-a", "boot-a-1", wait=30.0)
        began = asyncio.get_running_loop().time()
        answer = await play.one.gate_requests.mount(NodeId("a"), asked)

        assert isinstance(answer, Rejection)
        assert (answer.status, "To have that data again: `reberth adopt" in answer.why) == (Status.CONFLICT, True)
        assert asyncio.get_running_loop().time() - began < 5

        play.cluster.storage.delete(EARLIER)
        play.cluster.storage.fail(Operation.ATTACH, *[Fault.REFUSED] * 40)
        await asyncio.sleep(40)
        began = asyncio.get_running_loop().time()
        assert not isinstance(await play.one.gate_requests.mount(NodeId("a"), asked), Rejection)
        assert asyncio.get_running_loop().time() - began == pytest.approx(30, abs=0.1)

"""A pause ends when its own words say so, and at no other time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import NodeId, PausedPart, VmId, VolumeName
from controller.records.leader_election import Leader
from controller.records.memory import MemoryRecords, MemoryStore
from controller.records.pauses import lasting, over, same, with_end, with_parts, without_part
from watchers.base import SwarmManagers

AT = 1_700_000_000.0
ME, OTHER = NodeId("n1"), NodeId("n2")
VOLUME = PausedPart("its data is copied", volume=VolumeName("data"))
NODE = PausedPart("its host is mended", node=NodeId("n7"), vm=VmId("vm7"), hostname="swarm07")
LIKE_AN_END = ("until tomorrow", "(until 2023-11-14 22:13:20 UTC) and longer", "x (until 2023-99-99 99:99:99 UTC)")


def test_a_pause_lasts_up_to_its_end_which_people_can_read() -> None:
    reason = with_end("storage work", AT)
    assert reason == "storage work (until 2023-11-14 22:13:20 UTC)"
    assert (over(reason, AT - 1), over(reason, AT), over(reason, AT + 1)) == (False, True, True)


@pytest.mark.parametrize("reason", ["storage work", "", *LIKE_AN_END])
def test_one_without_an_end_ends_never_by_itself(reason: str) -> None:
    assert not over(reason, AT + 1e9)


def contenders() -> tuple[Leader, Leader, list[NodeId], MemoryStore]:
    """Of two nodes, who has led Swarm (the last of the list does), and what both write to."""
    store, leaders, clock = MemoryStore(), [ME], asyncio.get_running_loop().time

    async def managers() -> SwarmManagers:
        return SwarmManagers(leaders[-1], frozenset({ME, OTHER}))

    def contender(name: NodeId) -> Leader:
        said: list[str] = []
        return Leader(MemoryRecords(store), name, name, managers, said.append, clock, wall=lambda: AT + clock())

    return contender(ME), contender(OTHER), leaders, store


@pytest.mark.looptime
async def test_what_is_paused_alone_is_kept_by_the_leader_that_comes_after_until_its_own_end() -> None:
    one, two, leaders, store = contenders()
    ending = replace(NODE, reason=with_end("its host is mended", AT + 60))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (one, two)]
        await asyncio.sleep(5)
        assert await one.pause_parts(lambda parts: with_parts(parts, [VOLUME, ending]))
        leaders.append(OTHER)
        await asyncio.sleep(30)
        assert (one.epoch, two.epoch, two.paused_parts) == (None, 2, (VOLUME, ending))
        await asyncio.sleep(60)
        assert two.paused_parts == (VOLUME,)
        assert await two.pause_parts(lambda parts: without_part(parts, VOLUME))
        assert store.leadership is not None
        assert store.leadership.paused_parts == ()
        assert not await one.pause_parts(lambda parts: with_parts(parts, [VOLUME]))
        for task in tasks:
            task.cancel()


def test_a_node_is_the_same_by_its_id_or_its_vm_and_a_volume_by_its_name() -> None:
    assert same(NODE, replace(NODE, node=NodeId("n9")))
    assert same(NODE, replace(NODE, vm=VmId("other")))
    assert not same(NODE, replace(NODE, node=NodeId("n9"), vm=VmId("other")))
    assert not same(replace(NODE, vm=None), replace(NODE, node=NodeId("n9"), vm=None))
    assert same(VOLUME, replace(VOLUME, reason="another"))
    assert not same(VOLUME, replace(VOLUME, volume=VolumeName("other")))
    assert not same(VOLUME, NODE)


def test_what_was_said_last_about_a_part_is_what_counts() -> None:
    again = replace(VOLUME, reason="longer")
    assert with_parts([VOLUME, NODE], [again]) == (NODE, again)
    assert without_part([NODE, again], VOLUME) == (NODE,)
    ended = replace(VOLUME, reason=with_end("copied", AT))
    assert lasting([ended, NODE], AT) == (NODE,)
    assert lasting([ended, NODE], AT - 1) == (ended, NODE)


@pytest.mark.looptime
async def test_it_ends_for_the_leader_and_for_the_one_that_comes_after() -> None:
    one, two, leaders, store = contenders()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (one, two)]
        await asyncio.sleep(5)
        reason = with_end("storage work", AT + 60)
        assert await one.pause(reason)
        await asyncio.sleep(20)
        assert [one.paused, two.paused] == [reason, reason]
        await asyncio.sleep(60)
        assert [one.paused, two.paused] == [None, None]
        leaders.append(OTHER)
        await asyncio.sleep(30)
        assert (one.epoch, two.epoch, two.paused) == (None, 2, None)
        assert store.leadership is not None
        assert store.leadership.paused is None
        for task in tasks:
            task.cancel()

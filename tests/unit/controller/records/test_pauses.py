"""A pause ends when its own words say so, and at no other time."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import NodeId
from controller.records.leader_election import Leader
from controller.records.memory import MemoryRecords, MemoryStore
from controller.records.pauses import over, with_end

AT = 1_700_000_000.0
ME, OTHER = NodeId("n1"), NodeId("n2")
LIKE_AN_END = ("until tomorrow", "(until 2023-11-14 22:13:20 UTC) and longer", "x (until 2023-99-99 99:99:99 UTC)")


def test_a_pause_lasts_up_to_its_end_which_people_can_read() -> None:
    reason = with_end("storage work", AT)
    assert reason == "storage work (until 2023-11-14 22:13:20 UTC)"
    assert (over(reason, AT - 1), over(reason, AT), over(reason, AT + 1)) == (False, True, True)


@pytest.mark.parametrize("reason", ["storage work", "", *LIKE_AN_END])
def test_one_without_an_end_ends_never_by_itself(reason: str) -> None:
    assert not over(reason, AT + 1e9)


@pytest.mark.looptime
async def test_it_ends_for_the_leader_and_for_the_one_that_comes_after() -> None:
    store, leaders, clock = MemoryStore(), [ME], asyncio.get_running_loop().time

    async def leader() -> NodeId:
        return leaders[-1]

    def contender(name: NodeId) -> Leader:
        said: list[str] = []
        return Leader(MemoryRecords(store), name, name, leader, said.append, clock, wall=lambda: AT + clock())

    one, two = contender(ME), contender(OTHER)
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

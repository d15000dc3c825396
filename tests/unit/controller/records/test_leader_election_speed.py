"""How soon a controller acts once Swarm has chosen its manager as the leader."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import NodeId
from controller.records.base import Leadership, RecordsUnavailable
from controller.records.leader_election import Leader
from controller.records.memory import MemoryRecords, MemoryStore
from watchers.base import SwarmManagers

pytestmark = pytest.mark.looptime
ME, OTHER = NodeId("n1"), NodeId("n2")


class Held(MemoryRecords):
    """As a manager during an election: a question that came before the choice hangs for 5 s."""

    choosing = False

    async def leadership(self) -> Leadership | None:
        if self.choosing:
            await asyncio.sleep(5.0)
            raise RecordsUnavailable("no answer from Docker within 5 s")
        return await super().leadership()


async def test_a_controller_acts_within_a_second_and_a_bit_of_its_managers_election() -> None:
    records, leaders = Held(MemoryStore()), [OTHER]

    async def managers() -> SwarmManagers:
        return SwarmManagers(leaders[-1], frozenset(leaders))

    clock = asyncio.get_running_loop().time
    first = Leader(records, OTHER, "n2:7490", managers, lambda _: None, clock)
    acts = asyncio.Event()

    def changed(_: str) -> None:
        if second.epoch is not None:
            acts.set()

    second = Leader(records, ME, "n1:7490", managers, changed, clock)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (first, second)]
        await asyncio.sleep(60)
        tasks[0].cancel()
        records.choosing = True
        await asyncio.sleep(12.3)
        records.choosing = False
        leaders.append(ME)
        async with asyncio.timeout(1.3):
            await acts.wait()
        tasks[1].cancel()


async def test_while_swarm_is_well_a_follower_asks_as_rarely_as_before() -> None:
    class Counted(MemoryRecords):
        asked = 0

        async def leadership(self) -> Leadership | None:
            self.asked += 1
            return await super().leadership()

    store = MemoryStore()
    records = Counted(store)

    async def managers() -> SwarmManagers:
        return SwarmManagers(OTHER, frozenset({OTHER, ME}))

    clock = asyncio.get_running_loop().time
    first = Leader(MemoryRecords(store), OTHER, "n2:7490", managers, lambda _: None, clock)
    second = Leader(records, ME, "n1:7490", managers, lambda _: None, clock)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (first, second)]
        await asyncio.sleep(100)
        assert records.asked <= 70
        for task in tasks:
            task.cancel()


async def test_a_controller_just_started_leaves_a_holder_alone_unless_swarm_does_not_reach_its_manager() -> None:
    store, leaders, reachable = MemoryStore(), [OTHER], {ME, OTHER}

    async def managers() -> SwarmManagers:
        return SwarmManagers(leaders[-1], frozenset(reachable))

    clock = asyncio.get_running_loop().time
    first = Leader(MemoryRecords(store), OTHER, "n2:7490", managers, lambda _: None, clock)
    second = Leader(MemoryRecords(store), ME, "n1:7490", managers, lambda _: None, clock)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (first, second)]
        await asyncio.sleep(1)
        tasks[0].cancel()
        leaders.append(ME)
        await asyncio.sleep(5)
        assert second.epoch is None
        reachable.remove(OTHER)
        await asyncio.sleep(0.5)
        assert second.epoch == 2
        tasks[1].cancel()

"""Contenders that live by the rule of who acts, on one store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from controller.model import Epoch, NodeId
from controller.records.base import Leadership, RecordsUnavailable, Stale
from controller.records.leader_election import Leader
from controller.records.memory import Call, Fault, MemoryRecords, MemoryStore
from watchers.base import SwarmManagers, SwarmUnread

ME, OTHER = NodeId("n1"), NodeId("n2")


@dataclass
class Contender:
    """One controller. ``records.reachable`` cuts it off from Raft; cancelling its ``run`` freezes it."""

    name: NodeId
    store: MemoryStore
    leaders: list[NodeId | None]  # shared: its last entry is Swarm's leader
    changes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = MemoryRecords(self.store)
        clock = asyncio.get_running_loop().time
        address = f"{self.name}:7490"
        self.leader = Leader(self.records, self.name, address, self.managers, self.changes.append, clock)

    async def managers(self) -> SwarmManagers:
        if not self.records.reachable:
            raise SwarmUnread("no quorum")
        return SwarmManagers(self.leaders[-1], frozenset({ME, OTHER}))


@asynccontextmanager
async def running(*contenders: Contender) -> AsyncIterator[list[asyncio.Task[None]]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(contender.leader.run()) for contender in contenders]
        yield tasks
        for task in tasks:
            task.cancel()


def pair() -> tuple[Contender, Contender, list[NodeId | None]]:
    store, leaders = MemoryStore(), list[NodeId | None]([ME])
    return Contender(ME, store, leaders), Contender(OTHER, store, leaders), leaders


def epochs(*contenders: Contender) -> list[Epoch | None]:
    return [contender.leader.epoch for contender in contenders]


@pytest.mark.looptime
async def test_the_controller_on_swarms_leader_acts_and_the_other_knows_its_address() -> None:
    one, two, _ = pair()
    async with running(one, two):
        await asyncio.sleep(10)
        assert epochs(one, two) == [1, None]
        assert two.leader.acting_address == "n1:7490"


@pytest.mark.looptime
async def test_the_acting_controller_beats_and_is_left_alone() -> None:
    one, two, _ = pair()
    async with running(one, two):
        await asyncio.sleep(300)
        assert epochs(one, two) == [1, None]
        assert one.store.leadership is not None
        assert 50 <= one.store.leadership.beat <= 80


@pytest.mark.looptime
async def test_when_swarms_leader_changes_its_controller_takes_the_next_epoch_and_the_old_one_stops() -> None:
    one, two, leaders = pair()
    async with running(one, two):
        await asyncio.sleep(100)
        leaders.append(OTHER)
        await asyncio.sleep(10)
        assert epochs(one, two) == [None, 2]


@pytest.mark.looptime
async def test_a_frozen_holder_is_replaced_after_the_patience_and_refused_when_it_wakes() -> None:
    one, two, _ = pair()
    async with running(one, two) as tasks:
        await asyncio.sleep(100)
        tasks[0].cancel()
        await asyncio.sleep(9)
        assert epochs(one, two) == [1, None]
        await asyncio.sleep(9)
        assert epochs(one, two) == [None, 2]
        assert not await one.leader.still_acting(Epoch(1))
        assert one.store.leadership is not None
        assert (one.store.leadership.holder, one.store.leadership.epoch) == (OTHER, 2)


@pytest.mark.looptime
async def test_a_holder_that_cannot_write_stops_acting_at_once_and_goes_on_when_it_can() -> None:
    one, two, _ = pair()
    async with running(one, two):
        await asyncio.sleep(100)
        one.records.reachable = two.records.reachable = False
        await asyncio.sleep(3)
        assert epochs(one, two) == [None, None]
        await asyncio.sleep(60)
        one.records.reachable = two.records.reachable = True
        await asyncio.sleep(3)
        assert epochs(one, two) == [1, None]


@pytest.mark.looptime
async def test_the_epoch_ends_by_the_own_clock_when_nothing_proves_it() -> None:
    one, _, _ = pair()
    async with running(one) as tasks:
        await asyncio.sleep(1)
        tasks[0].cancel()
        await asyncio.sleep(13)
        assert one.leader.epoch == 1
        await asyncio.sleep(3)
        assert one.leader.epoch is None
        assert await one.leader.still_acting(Epoch(1))
        assert one.leader.epoch == 1


@pytest.mark.looptime
async def test_still_acting_is_proven_by_a_write() -> None:
    one, _, _ = pair()
    async with running(one):
        await asyncio.sleep(1)
        before = one.records.calls.count(Call.REPLACE_LEADERSHIP)
        assert await one.leader.still_acting(Epoch(1))
        assert not await one.leader.still_acting(Epoch(2))
        assert one.records.calls.count(Call.REPLACE_LEADERSHIP) == before + 2


class SlowRecords(MemoryRecords):
    def __init__(self, store: MemoryStore, seconds: float = 0.01) -> None:
        super().__init__(store)
        self.seconds = seconds

    async def replace_leadership(self, leadership: Leadership) -> Leadership | Stale:
        await asyncio.sleep(self.seconds)
        return await super().replace_leadership(leadership)


@pytest.mark.looptime
async def test_questions_that_come_together_share_a_write_that_began_after_them() -> None:
    one, _, _ = pair()
    one.leader._records = one.records = SlowRecords(one.store)
    async with running(one):
        await asyncio.sleep(1)
        before = one.records.calls.count(Call.REPLACE_LEADERSHIP)
        answers = await asyncio.gather(*(one.leader.still_acting(Epoch(1)) for _ in range(10)))
        assert answers == [True] * 10
        assert one.records.calls.count(Call.REPLACE_LEADERSHIP) <= before + 2


@pytest.mark.looptime
async def test_what_was_proven_before_a_question_does_not_answer_it() -> None:
    one, two, _ = pair()
    one.leader._records = one.records = SlowRecords(one.store)
    async with running(one) as tasks:
        await asyncio.sleep(1)
        tasks[0].cancel()
        assert await one.leader.still_acting(Epoch(1))
        record = await two.records.leadership()
        assert record is not None
        await two.records.replace_leadership(replace(record, epoch=Epoch(2), holder=OTHER))
        await asyncio.sleep(0.001)
        assert not await one.leader.still_acting(Epoch(1))


@pytest.mark.looptime
async def test_without_an_answer_whether_we_still_act_nothing_is_claimed() -> None:
    one, _, _ = pair()
    async with running(one):
        await asyncio.sleep(1)
        one.records.fail(Call.REPLACE_LEADERSHIP, Fault.LOST_AFTER)
        with pytest.raises(RecordsUnavailable):
            await one.leader.still_acting(Epoch(1))
        assert one.leader.epoch is None


@pytest.mark.looptime
async def test_an_epoch_whose_answer_was_lost_is_not_used_but_the_next_one_taken() -> None:
    one, _, _ = pair()
    one.records.fail(Call.REPLACE_LEADERSHIP, Fault.LOST_AFTER)
    async with running(one):
        await asyncio.sleep(0.1)
        assert one.leader.epoch is None
        await asyncio.sleep(5)
        assert one.leader.epoch == 2


@pytest.mark.looptime
async def test_a_later_epoch_whose_answer_was_lost_is_followed_by_the_next_one_too() -> None:
    one, two, leaders = pair()
    async with running(one, two):
        await asyncio.sleep(100)
        leaders.append(OTHER)
        await asyncio.sleep(10)
        one.records.fail(Call.REPLACE_LEADERSHIP, Fault.LOST_AFTER)
        leaders.append(ME)
        await asyncio.sleep(10)
        assert epochs(one, two) == [4, None]


@pytest.mark.looptime
async def test_a_holder_that_nobody_could_watch_is_not_taken_for_dead() -> None:
    one, two, _ = pair()
    async with running(one, two):
        await asyncio.sleep(100)
        one.records.reachable = two.records.reachable = False
        await asyncio.sleep(60)
        two.records.reachable = True
        await asyncio.sleep(10)
        assert epochs(one, two) == [None, None]


@pytest.mark.looptime
async def test_an_epoch_is_proven_from_the_beginning_of_its_write() -> None:
    one, _, _ = pair()
    one.leader._records = SlowRecords(one.store, seconds=10)
    async with running(one) as tasks:
        await asyncio.sleep(10.5)
        tasks[0].cancel()
        assert one.leader.epoch == 1
        await asyncio.sleep(5)
        assert one.leader.epoch is None


@pytest.mark.looptime
async def test_a_restarted_controller_takes_the_next_epoch_at_once() -> None:
    one, _, leaders = pair()
    async with running(one):
        await asyncio.sleep(1)
    again = Contender(ME, one.store, leaders)
    async with running(again):
        await asyncio.sleep(1)
        assert again.leader.epoch == 2


@pytest.mark.looptime
async def test_a_new_epoch_can_be_taken_while_acting() -> None:
    one, two, _ = pair()
    async with running(one, two):
        await asyncio.sleep(40)
        assert await one.leader.new_epoch()
        assert not await two.leader.new_epoch()
        assert epochs(one, two) == [2, None]


@pytest.mark.looptime
async def test_a_pause_survives_a_change_of_the_acting_controller() -> None:
    one, two, leaders = pair()
    async with running(one, two):
        await asyncio.sleep(100)
        assert await one.leader.pause("storage work")
        assert not await two.leader.pause("not mine to say")
        leaders.append(OTHER)
        await asyncio.sleep(10)
        assert (two.leader.epoch, two.leader.paused) == (2, "storage work")
        assert await two.leader.pause(None)
        assert two.leader.paused is None


@pytest.mark.looptime
async def test_a_pause_written_by_another_hand_does_not_depose() -> None:
    one, _, _ = pair()
    async with running(one):
        await asyncio.sleep(1)
        record = await one.records.leadership()
        assert record is not None
        await one.records.replace_leadership(replace(record, paused="by hand"))
        assert await one.leader.still_acting(Epoch(1))
        assert one.leader.paused == "by hand"


@pytest.mark.looptime
async def test_whoever_waits_is_told_of_each_change_and_of_nothing_else() -> None:
    one, two, leaders = pair()
    async with running(one, two):
        await asyncio.sleep(100)
        assert one.changes == ["node n1 acts under epoch 1", "this controller acts under epoch 1"]
        leaders.append(OTHER)
        await asyncio.sleep(10)
        assert one.changes[2:] == ["node n2 acts under epoch 2", "the controller on node n2 acts under epoch 2"]

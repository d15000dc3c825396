"""What fails on the way delays a failover and no more: calls, writes, leaders, and what cannot be read."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import NodeId, Operation, VmId
from controller.records.memory import Call
from controller.records.memory import Fault as RecordFault
from drivers.memory_storage import Fault
from tests.support.shell import DATA, scene

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("operation", [Operation.ATTACH, Operation.DETACH])
@pytest.mark.parametrize("fault", [*Fault])
async def test_a_call_that_fails_in_any_way_delays_the_failover_and_no_more(operation: Operation, fault: Fault) -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.storage.fail(operation, fault)
        play.cluster.crash("a")
        play.cluster.down("a")
        start = asyncio.get_running_loop().time()
        play.want("b", "t2")
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - start < 5
        await asyncio.sleep(30)  # the late call comes now
        assert play.cluster.writers() == ("vm-b",)
        assert [each.vm for each in (await play.one.driver.list_attachments()).attachments] == [VmId("vm-b")]


async def test_after_a_call_in_doubt_the_epoch_is_raised_before_the_next_grant() -> None:
    async with scene() as play:
        await play.make()
        play.cluster.storage.fail(Operation.ATTACH, Fault.LATE)
        play.want("a")
        await play.until(("a",))
        first = next(call for call in play.cluster.storage.calls if call.operation is Operation.ATTACH)
        assert first.epoch == 1
        assert play.cluster.record().grants[-1].epoch > 1


@pytest.mark.parametrize("mark", [None, RecordFault.LOST_BEFORE, RecordFault.STALE])
async def test_a_lost_answer_raises_the_epoch_even_if_the_list_agrees(mark: RecordFault | None) -> None:
    """The detach happened, its answer is lost: another one like it may still come, so a new epoch makes it void."""
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(1)
        play.cluster.storage.fail(Operation.DETACH, Fault.LOST_AFTER)
        if mark is not None:  # writes: the grant is dropped, the intent to detach, its mark
            play.one.records.fail_nth(Call.REPLACE_VOLUME, 2, mark)
        play.cluster.crash("a")
        play.cluster.down("a")
        play.want("b", "t2")
        await play.until(("b",))
        assert play.cluster.record().grants[-1].epoch == 2


async def test_a_record_written_by_somebody_else_in_between_only_makes_it_look_again() -> None:
    async with scene() as play:
        await play.make()
        for _ in range(2):
            play.one.records.fail(Call.REPLACE_VOLUME, RecordFault.STALE)
        start = asyncio.get_running_loop().time()
        play.want("a")
        await play.until(("a",))
        assert asyncio.get_running_loop().time() - start < 2


@pytest.mark.parametrize("fault", [RecordFault.LOST_BEFORE, RecordFault.LOST_AFTER])
@pytest.mark.parametrize("nth", range(6))
async def test_a_write_to_raft_without_an_answer_delays_the_failover_and_no_more(nth: int, fault: RecordFault) -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(1)
        play.one.records.fail_nth(Call.REPLACE_VOLUME, nth, fault)
        play.cluster.crash("a")
        play.cluster.down("a")
        play.want("b", "t2")
        start = asyncio.get_running_loop().time()
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - start < 5
        await asyncio.sleep(30)
        assert play.cluster.writers() == ("vm-b",)
        assert len(play.cluster.record().grants) == 1


@pytest.mark.looptime(idle_step=0.05)  # a dead controller leaves a call open: time would go on by milliseconds
@pytest.mark.parametrize("writes", range(1, 5))
async def test_a_new_leader_finishes_what_the_old_one_began_at_any_step(writes: int) -> None:
    """Four writes: detach intended and grants dropped, attach intended, granted, mounted."""
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(1)
        play.cluster.crash("a")
        play.cluster.down("a")
        play.die_after(writes)
        play.want("b", "t2")
        await play.one.dead.wait()
        two = await play.take_over("b")
        await play.until(("b",))
        await asyncio.sleep(30)
        assert play.cluster.writers() == ("vm-b",)
        assert two.lead.epoch == 2
        assert play.cluster.record().intent is None


async def test_an_old_leader_that_wakes_up_does_not_call_the_storage() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        two = await play.take_over("b")
        before = len(play.cluster.storage.calls)
        play.one.state.wakeup("it wakes up")  # its lead still believes that it acts
        play.want("b", "t2")
        await play.cluster.gates[NodeId("a")].stop(DATA)
        await play.until(("b",))
        changing = {Operation.ATTACH, Operation.DETACH}
        epochs = {call.epoch for call in play.cluster.storage.calls[before:] if call.operation in changing}
        assert epochs == {two.lead.epoch}


async def test_storage_that_cannot_be_read_stops_everything_and_says_so() -> None:
    async with scene() as play:
        await play.make()
        play.cluster.storage.away = True
        play.want("a")
        await asyncio.sleep(60)
        assert play.cluster.record().grants == ()
        assert "the storage in memory does not answer" in play.one.state.why(DATA)
        play.cluster.storage.away = False
        await play.until(("a",))


async def test_swarm_that_cannot_be_read_stops_everything_and_says_so() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.swarm.unread = True
        play.cluster.crash("a")
        await asyncio.sleep(60)
        assert "the swarm has no leader" in play.one.state.why(DATA)
        assert [each.vm for each in (await play.one.driver.list_attachments()).attachments] == [VmId("vm-a")]

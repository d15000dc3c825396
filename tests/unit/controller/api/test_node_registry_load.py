"""Who may speak for which VM, and what asking costs."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.node_registry import BOOT_SECONDS, BOOTS_AT_ONCE, Caller, NodeRegistry, SharedList
from controller.model import BootId, NodeId, VmId
from controller.protocol.answers import Rejection
from controller.protocol.messages import Sync
from controller.records.base import NodeRecord, RecordsUnavailable
from controller.records.memory import Call, Fault, MemoryRecords
from tests.support.shell import Scene, scene

pytestmark = pytest.mark.looptime


class SlowRecords(MemoryRecords):
    async def nodes(self) -> dict[NodeId, NodeRecord]:
        self.calls.append(Call.NODES)
        await asyncio.sleep(1)
        return dict(self.store.nodes)


async def test_a_thousand_nodes_that_come_back_at_once_read_the_records_twice() -> None:
    records = SlowRecords()
    shared = SharedList(records)
    async with asyncio.TaskGroup() as group:
        for _ in range(1000):
            group.create_task(shared.read())

    assert records.calls.count(Call.NODES) <= 2


async def test_a_list_that_could_not_be_read_is_read_again_by_the_next_who_asks() -> None:
    records = MemoryRecords()
    shared = SharedList(records)
    records.fail(Call.NODES, Fault.LOST_BEFORE)
    with pytest.raises(RecordsUnavailable):
        await shared.read()

    assert await shared.read() == {}


async def test_a_late_word_of_an_ended_boot_leaves_the_record_as_it_is() -> None:
    """The running task's grant is about the boot in that record."""
    async with scene(gates="") as play:
        requests, registry = play.one.gate_requests, NodeRegistry(play.one.state, play.one.records)
        for boot in ("old", "new"):
            await requests.sync(NodeId("a"), Sync("vm-a", boot, "test", (), wait=0.0))
        late = await registry.register(Caller(NodeId("a"), VmId("vm-a"), BootId("old")))

        assert isinstance(late, Rejection)
        assert play.cluster.store.nodes[NodeId("a")].boot == "new"


async def boots(play: Scene, many: int) -> list[bool]:
    """Of so many boots of one node, told at once, which were taken."""
    registry = NodeRegistry(play.one.state, play.one.records)
    callers = [Caller(NodeId("a"), VmId("vm-a"), BootId(f"invented-{number}")) for number in range(many)]
    found = await asyncio.gather(*(registry.register(each) for each in callers))
    last = callers[-1]
    await asyncio.sleep(BOOT_SECONDS)
    assert not isinstance(await registry.register(last), Rejection)
    assert play.cluster.store.nodes[last.node].boot == last.boot
    return [not isinstance(each, Rejection) for each in found]


async def test_a_node_that_invents_boots_costs_few_writes_and_its_last_boot_is_taken_later() -> None:
    async with scene(gates="") as play:
        taken = await boots(play, 50)

        assert sum(taken) == BOOTS_AT_ONCE
        assert play.one.records.calls.count(Call.PUT_NODE) <= 2 * (BOOTS_AT_ONCE + 1)  # some met another's write
        assert play.one.state.boots_refused == 50 - BOOTS_AT_ONCE


async def test_a_machine_that_is_started_again_twice_within_seconds_waits_for_nothing() -> None:
    async with scene(gates="") as play:
        registry = NodeRegistry(play.one.state, play.one.records)
        for boot in ("1", "2", "3"):
            assert not isinstance(await registry.register(Caller(NodeId("a"), VmId("vm-a"), BootId(boot))), Rejection)


async def test_boots_that_one_node_invents_hold_up_no_other() -> None:
    async with scene(gates="") as play:
        await boots(play, 10)
        registry = NodeRegistry(play.one.state, play.one.records)
        assert not isinstance(await registry.register(Caller(NodeId("b"), VmId("vm-b"), BootId("1"))), Rejection)

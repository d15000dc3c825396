"""Who may speak for which VM, and what asking costs."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.node_registry import Caller, NodeRegistry, SharedList
from controller.model import BootId, NodeId, VmId
from controller.protocol.answers import Rejection
from controller.protocol.messages import Sync
from controller.records.base import NodeRecord, RecordsUnavailable
from controller.records.memory import Call, Fault, MemoryRecords
from tests.support.shell import scene

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

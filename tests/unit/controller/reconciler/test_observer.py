"""What is read of the world, and what of it belongs together."""

from __future__ import annotations

from dataclasses import replace

from controller.model import BootId, Epoch, Node, NodeId, NodeState, Power, VmId, World
from controller.protocol.messages import Sync
from controller.reconciler.gate_reports import GateReports
from controller.reconciler.observer import Observer, Sources
from controller.reconciler.wakeups import Broadcast
from controller.records.base import NodeRecord
from controller.records.memory import Call, MemoryRecords
from controller.records.memory import Fault as Lost
from drivers.memory import MemoryDriver
from drivers.memory_storage import Fault, MemoryStorage, Reading
from drivers.owners import Home
from tests.support.fake_swarm import FakeSwarm
from tests.support.worlds import DISK, V, record

NODE = Node(NodeId("n1"), "swarm01", NodeState.READY)
RECORD = NodeRecord(NODE.id, VmId("vm1"), BootId("b1"), "swarm01")


async def _mine() -> str:
    return "mine"


class Looking:
    """An observer of one node, with one disk, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.swarm, self.records, self.storage = FakeSwarm({NODE.id: NODE}), MemoryRecords(), MemoryStorage()
        self.records.store.nodes[NODE.id] = RECORD
        self.storage.add_vm(RECORD.vm)
        self.storage.disks[DISK] = 1
        self.storage.attached[DISK] = {RECORD.vm}
        driver = MemoryDriver(self.storage)
        self.gates = GateReports(lambda: self.now, Broadcast())
        sources = Sources(self.swarm, self.records, driver, driver, self.gates, home=Home(driver, _mine))
        self._observer = Observer(sources, lambda: self.now, 10.0, 40.0)

    async def __call__(self) -> World:
        return await self._observer.look(Epoch(1))

    async def node(self) -> Node:
        return ((await self()).nodes or {})[NODE.id]


async def test_what_was_read_again_and_is_equal_is_the_very_same_object() -> None:
    """Who keeps an answer that was made of it need not look into it."""
    look = Looking()
    first, second = await look(), await look()
    assert (second.nodes, second.attachments, second.volumes) == (first.nodes, first.attachments, first.volumes)
    assert second.nodes is first.nodes
    assert second.attachments is first.attachments

    look.storage.attached[DISK] = set()
    third = await look()
    assert (third.attachments, third.nodes) == ((), first.nodes)


async def test_a_node_is_joined_anew_when_swarm_or_its_record_says_something_else_or_time_goes_on() -> None:
    look = Looking()
    assert await look.node() == replace(NODE, vm=RECORD.vm, boot=RECORD.boot)

    look.records.store.nodes[NODE.id] = replace(RECORD, boot=BootId("b2"))
    assert (await look.node()).boot == "b2"
    del look.records.store.nodes[NODE.id]
    assert (await look.node()).vm is None

    look.swarm.nodes[NODE.id] = down = replace(NODE, state=NodeState.DOWN)
    assert await look.node() == replace(down, down_for=0.0)
    look.now = 5.0
    assert await look.node() == replace(down, down_for=5.0)
    look.swarm.nodes[NODE.id] = NODE
    assert await look.node() == NODE


async def test_a_vm_whose_gate_was_not_heard_of_late_is_asked_for() -> None:
    look = Looking()
    assert (await look()).power == {RECORD.vm: Power.ON}
    look.gates.hear(NODE.id, Sync(RECORD.vm, RECORD.boot, "test", ()))
    look.now = 40.0
    assert (await look()).power == {}
    look.now = 40.1
    assert (await look()).power == {RECORD.vm: Power.ON}


async def test_disks_in_the_place_of_another_swarm_are_as_good_as_unread_until_it_is_this_one_s() -> None:
    """So nothing is attached, detached, made or deleted, and whoever waits is told why."""
    look = Looking()
    look.storage.owners.add("theirs")
    held = await look()
    assert held.attachments is None
    assert any("belongs to the swarm theirs" in why for why in held.unread)

    look.storage.owners.clear()
    free = await look()
    assert free.attachments is not None
    assert free.unread == ()
    assert look.storage.owners == {"mine"}


async def test_whose_the_place_is_must_be_known_before_its_disks_are_used() -> None:
    look = Looking()
    look.storage.fail(Reading.OWNERS, Fault.UNREACHABLE)
    held = await look()
    assert held.attachments is None
    assert any(why.startswith("whose the places of the disks are could not be read") for why in held.unread)
    assert (await look()).attachments is not None


async def test_an_empty_place_without_a_note_is_unread_while_records_have_disks_that_can_be_read_or_not() -> None:
    look = Looking()
    look.storage.disks.clear()
    look.storage.attached.clear()
    store = look.records.store
    for readable in (True, False):
        store.volumes.update({V: record()} if readable else {})
        store.unreadable.update({} if readable else {V: "no JSON"})
        held = await look()
        assert held.attachments is None
        assert any("its volumes have 1 disks" in why for why in held.unread)
        store.volumes.clear()
        store.unreadable.clear()
    assert look.storage.owners == set()
    assert (await look()).attachments == ()


async def test_a_place_gets_no_note_while_the_records_of_volumes_cannot_be_read() -> None:
    look = Looking()
    look.records.fail(Call.VOLUMES, Lost.LOST_BEFORE)
    assert (await look()).attachments is None
    assert look.storage.owners == set()

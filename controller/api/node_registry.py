"""
Who asks: a node, by its Swarm certificate, that speaks for one VM in one boot.

A node speaks for the VM that it named first, if nothing says that it is another's (reconciler/nodes/binding.py); a node
that was rejoined under a new ID takes over the VM of its old one. Which VM and boot a node is, is stored before
anything is granted to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from controller.model import BootId, Node, NodeId, VmId
from controller.protocol.answers import Rejection, Status, unavailable
from controller.reconciler.nodes.binding import Binding, Claimed, refusal
from controller.reconciler.state import LoopState
from controller.records.base import NodeRecord, Records, RecordsUnavailable, Stale
from drivers.base import DriverError, Witness

LOOK_SECONDS = 6.0  # a caller gives up on an answer after 10 s
WITNESS_SECONDS = 2.0  # for the hypervisor's word, where it has one
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Caller:
    node: NodeId
    vm: VmId
    boot: BootId


class SharedList:
    """The node records, read once for all who ask while they are read: a thousand nodes may come back at once."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._reading = asyncio.Lock()
        self._begun = 0
        self._found: dict[NodeId, NodeRecord] | None = None

    async def read(self) -> Mapping[NodeId, NodeRecord]:
        """As they were at some time after this call. Raises RecordsUnavailable."""
        asked = self._begun
        async with self._reading:
            if self._begun == asked or self._found is None:
                self._begun, self._found = self._begun + 1, None
                self._found = dict(await self._records.nodes())
            return self._found

    def wrote(self, record: NodeRecord) -> None:
        if self._found is not None:
            self._found[record.node] = record


class NodeRegistry:
    """``witness``: whoever may know which boot of a VM runs. ``binding``: the rule on who speaks for which VM."""

    def __init__(self, state: LoopState, records: Records, witness: object = None, binding: Binding = refusal) -> None:
        self._state = state
        self._records = records
        self._witness = witness if isinstance(witness, Witness) else None
        self._binding = binding
        self._wakeup = state.wakeup
        self._known = SharedList(records)

    async def register(self, caller: Caller, hostname: str = "") -> Node | Rejection:
        """The caller's node, if it may speak for its VM; the record of the node is made or brought up to date."""
        node = await self._node(caller.node)
        if node is None:
            return unavailable(f"node {caller.node} is not seen in the swarm yet")
        world = self._state.world
        if world is not None and world.nodes is not None:
            self._state.gates.only_of(caller.vm, world.nodes)
        if (node.vm, node.boot) == (caller.vm, caller.boot):
            return node
        if self._state.gates.ended(caller.vm, caller.boot):
            why = f"boot {caller.boot} of VM {caller.vm} has ended: another one was heard since"
            return Rejection(Status.CONFLICT, why)
        try:
            problem = await self._record(caller, hostname or node.hostname)
        except RecordsUnavailable as error:
            return unavailable(error)
        return node if problem is None else problem

    async def _node(self, name: NodeId) -> Node | None:
        nodes = (self._state.world.nodes if self._state.world is not None else None) or {}
        if name in nodes:
            return nodes[name]
        self._wakeup(f"node {name} is new")
        look = await self._state.fresh_look(LOOK_SECONDS)
        return None if look is None or look.world.nodes is None else look.world.nodes.get(name)

    async def _record(self, caller: Caller, hostname: str) -> Rejection | None:
        for _ in range(ATTEMPTS):
            known = await self._known.read()
            mine = known.get(caller.node)
            world = self._state.world
            if world is None or world.nodes is None or world.volumes is None:
                return unavailable("the swarm and the records must be read first")
            claimed = Claimed(caller.node, hostname, caller.vm, caller.boot, await self._runs(caller))
            why = self._binding(claimed, known.values(), world)
            self._believe(caller.node, why)
            if why is not None:
                return Rejection(Status.CONFLICT, why)
            if mine is not None and mine.boot == caller.boot:
                return None
            version = 0 if mine is None else mine.version
            written = await self._records.put_node(NodeRecord(caller.node, caller.vm, caller.boot, hostname, version))
            if not isinstance(written, Stale):
                self._known.wrote(written)
                self._wakeup(f"node {hostname} told its VM and boot")
                return None
        return unavailable(f"the record of node {hostname} is being changed all the time")

    def _believe(self, node: NodeId, why: str | None) -> None:
        """Whoever waits for a volume there is told why it is not believed."""
        if self._state.refused.get(node) == why:
            return
        if why is None:
            del self._state.refused[node]
        else:
            self._state.refused[node] = why
        self._wakeup(f"what node {node} says of its VM was judged")

    async def _runs(self, caller: Caller) -> BootId | None:
        """What the hypervisor says, if it can: where it is away a node that comes back must not wait for it."""
        if self._witness is None:
            return None
        try:
            async with asyncio.timeout(WITNESS_SECONDS):
                return (await self._witness.boots([caller.vm])).get(caller.vm)
        except (DriverError, TimeoutError):
            return None

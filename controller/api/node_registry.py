"""
Who asks: a node, by its Swarm certificate, that speaks for one VM in one boot.

A node speaks for the VM that it named first, if nothing says that it is another's (reconciler/nodes/binding.py); a node
that was rejoined under a new ID takes over the VM of its old one. Which VM and boot a node is, is stored before
anything is granted to it. That is a write in Swarm's Raft for each boot, so a node may name new ones only so often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from controller.allowance import Allowance
from controller.model import BootId, Node, NodeId, Power, VmId
from controller.protocol.answers import Rejection, Status, unavailable
from controller.reconciler.nodes.binding import Binding, Claimed, refusal
from controller.reconciler.state import LoopState
from controller.records.base import NodeRecord, Records, RecordsUnavailable, Stale
from drivers.base import DriverError, PowerDriver
from drivers.guests import Witness

LOOK_SECONDS = 6.0  # a caller gives up on an answer after 10 s
WITNESS_SECONDS = 2.0  # for the hypervisor's word, where it has one
MOST_POWERS = 4  # asked for at once, for nodes that name a VM for the first time: a whole swarm may do so
OFF_SECONDS = 10.0  # for which a VM that was read off for a node is not read again for it
ATTEMPTS = 4
BOOTS_AT_ONCE = 3  # of one node: a machine that is started again twice within seconds waits for nothing
BOOT_SECONDS = 10.0  # for each one more; the machine asks again, and is heard when they are over

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    node: NodeId
    vm: VmId
    boot: BootId


Beats = Callable[[NodeId, VmId, BootId], float]  # a node service was heard: seconds until its next beat, 0: never


def unwanted(*_: object) -> float:
    return 0.0


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

    @property
    def last(self) -> Mapping[NodeId, NodeRecord]:
        return self._found or {}

    def wrote(self, record: NodeRecord) -> None:
        if self._found is not None:
            self._found[record.node] = record


class FirstWords:
    """
    What the hypervisor says when a node names a VM for the first time: one that is off does not speak.

    Not believed is only OFF, and a VM that runs may still be another's: `vms` in the driver's settings bounds that.
    """

    def __init__(self, clock: Callable[[], float], power: PowerDriver | None) -> None:
        self._clock = clock
        self._power = power
        self._turns = asyncio.Semaphore(MOST_POWERS)
        self._off: dict[NodeId, tuple[VmId, float]] = {}

    async def refusal(self, caller: Caller, hostname: str) -> str | None:
        if self._power is None or not await self._is_off(self._power, caller):
            return None
        return (
            f"node {hostname} says for the first time that it is VM {caller.vm}, and the hypervisor says that this VM "
            "is off: it is another machine, or the VM runs elsewhere and has left a definition behind; see its UUID"
        )

    async def _is_off(self, power: PowerDriver, caller: Caller) -> bool:
        vm, until = self._off.get(caller.node, (None, 0.0))
        if vm == caller.vm and self._clock() < until:
            return True
        try:
            async with asyncio.timeout(WITNESS_SECONDS), self._turns:
                seen = (await power.power([caller.vm])).get(caller.vm)
        except (DriverError, TimeoutError):
            return False
        self._off = {node: each for node, each in self._off.items() if each[1] > self._clock()}
        if seen is Power.OFF:
            self._off[caller.node] = caller.vm, self._clock() + OFF_SECONDS
        return seen is Power.OFF


class NodeRegistry:
    """
    ``witness``: whoever may know which boot of a VM runs; ``power``: whether it does. ``binding``: the rule on who
    speaks for which VM.
    """

    def __init__(
        self,
        state: LoopState,
        records: Records,
        witness: object = None,
        binding: Binding = refusal,
        power: PowerDriver | None = None,
    ) -> None:
        self._state = state
        self._records = records
        self._witness = witness if isinstance(witness, Witness) else None
        self._binding = binding
        self._wakeup = state.wakeup
        self._known = SharedList(records)
        self._boots = Allowance[NodeId](state.clock, BOOTS_AT_ONCE, BOOT_SECONDS)
        self._told: set[NodeId] = set()  # that are too soon, in the log: they ask again every second
        self._first = FirstWords(state.clock, power)

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
        # What was read last is good enough to ask the hypervisor or not; what decides is read after its answer.
        off = await self._first.refusal(caller, hostname) if _unnamed(caller.vm, self._known.last) else None
        for _ in range(ATTEMPTS):
            known = await self._known.read()
            mine = known.get(caller.node)
            problem = await self._judged(caller, hostname, known, off)
            if problem is not None:
                return problem
            if mine is not None and mine.boot == caller.boot:
                return None
            if (wait := self._boots.wait(caller.node)) > 0.0:
                return self._too_soon(caller, hostname, wait)
            version = 0 if mine is None else mine.version
            written = await self._records.put_node(NodeRecord(caller.node, caller.vm, caller.boot, hostname, version))
            if not isinstance(written, Stale):
                self._wrote(caller, written, new=_unnamed(caller.vm, known))
                return None
        return unavailable(f"the record of node {hostname} is being changed all the time")

    async def _judged(
        self, caller: Caller, hostname: str, known: Mapping[NodeId, NodeRecord], off: str | None
    ) -> Rejection | None:
        """``off``: why it is not believed if nobody has named its VM yet."""
        claimed = Claimed(caller.node, hostname, caller.vm, caller.boot, await self._runs(caller))
        world = self._state.world
        if world is None or world.nodes is None or world.volumes is None:
            return unavailable("the swarm and the records must be read first")
        why = self._binding(claimed, known.values(), world) or (off if _unnamed(caller.vm, known) else None)
        self._believe(caller.node, why)
        return None if why is None else Rejection(Status.CONFLICT, why)

    def _wrote(self, caller: Caller, written: NodeRecord, *, new: bool) -> None:
        self._known.wrote(written)
        self._boots.take(caller.node)
        self._told.discard(caller.node)
        if new:
            self._tell_new(caller, written.hostname)
        self._wakeup(f"node {written.hostname} told its VM and boot")

    def _tell_new(self, caller: Caller, hostname: str) -> None:
        """A word that nothing vouches for is shown to people, while the swarm has something to lose."""
        why = f"node {hostname} says for the first time that it is VM {caller.vm}, and nothing but its own word says so"
        _log.warning("vm.first_named", node=hostname, vm=caller.vm, boot=caller.boot, why=why)
        world = self._state.world
        if world is not None and any(record.disk is not None for record in (world.volumes or {}).values()):
            self._state.newcomers[caller.node] = self._state.clock(), caller.vm

    def _too_soon(self, caller: Caller, hostname: str, wait: float) -> Rejection:
        self._state.boots_refused += 1
        why = (
            f"node {hostname} has named {BOOTS_AT_ONCE} boots of VM {caller.vm} within seconds; the next one is taken "
            f"in {wait:.0f} s. If nobody starts it again and again, something on it invents them: drain it and look"
        )
        if caller.node not in self._told:
            self._told.add(caller.node)
            _log.warning("boot.too_soon", node=hostname, vm=caller.vm, boot=caller.boot, why=why)
        return unavailable(why)

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


def _unnamed(vm: VmId, known: Mapping[NodeId, NodeRecord]) -> bool:
    return all(each.vm != vm for each in known.values())

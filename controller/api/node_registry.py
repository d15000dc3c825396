"""
Who asks: a node, by its Swarm certificate, that speaks for one VM in one boot.

A node speaks for the VM that it named first, if nothing says that it is another's (reconciler/nodes/binding.py) and it
does not speak from elsewhere (reconciler/nodes/elsewhere.py); a node that was rejoined under a new ID takes over the VM
of its old one. Which VM and boot a node is, is stored before anything is granted to it. That is a write in Swarm's Raft
for each boot, so a node may name new ones only so often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from controller.allowance import Allowance
from controller.api.first_words import FirstWords, Seen
from controller.model import BootId, Node, NodeAddresses, NodeId, VmId, World
from controller.protocol.answers import Rejection, Status, unavailable
from controller.reconciler.nodes.binding import Binding, Claimed, refusal
from controller.reconciler.nodes.elsewhere import Elsewhere, Located, contradicts, elsewhere, speaks_from
from controller.reconciler.state import LoopState
from controller.records.base import NodeRecord, Records, RecordsUnavailable, Stale
from drivers.base import DriverError, PowerDriver
from drivers.guests import Located as Locator
from drivers.guests import Witness

LOOK_SECONDS = 6.0  # a caller gives up on an answer after 10 s
WITNESS_SECONDS = 2.0  # for the hypervisor's word, where it has one
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


@dataclass(frozen=True, slots=True)
class Believing:
    """
    The rules on who speaks for which VM. ``addresses``: whether the hypervisor is asked from where at all.

    ``binding`` rests on what nodes have said before, ``located`` on where a new one speaks from.
    """

    binding: Binding = refusal
    located: Located = speaks_from
    addresses: NodeAddresses = NodeAddresses.KNOWN


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """
    Whoever may know something of VMs: the storage's driver, and that for power. ``storage``: it may also know which
    boot of a VM runs, and the addresses of its guest.
    """

    storage: object = None
    power: PowerDriver | None = None

    @property
    def witness(self) -> Witness | None:
        return next((each for each in (self.storage, self.power) if isinstance(each, Witness)), None)

    @property
    def locator(self) -> Locator | None:
        return next((each for each in (self.storage, self.power) if isinstance(each, Locator)), None)


class NodeRegistry:
    def __init__(
        self,
        state: LoopState,
        records: Records,
        hypervisor: Hypervisor = Hypervisor(),
        believing: Believing = Believing(),
    ) -> None:
        self._state = state
        self._records = records
        self._witness = hypervisor.witness
        self._believing = believing
        self._wakeup = state.wakeup
        self._known = SharedList(records)
        self._boots = Allowance[NodeId](state.clock, BOOTS_AT_ONCE, BOOT_SECONDS)
        self._told: set[NodeId] = set()  # that are too soon, in the log: they ask again every second
        asked = believing.addresses is NodeAddresses.KNOWN
        self._first = FirstWords(state.clock, hypervisor.power, hypervisor.locator if asked else None)

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
        last = self._known.last or await self._known.read()
        seen = Seen() if caller.node in last else await self._first.of(caller.node, caller.vm)
        for _ in range(ATTEMPTS):
            known = await self._known.read()
            mine = known.get(caller.node)
            problem = await self._judged(caller, hostname, known, seen)
            if problem is not None:
                return problem
            if mine is not None and mine.boot == caller.boot:
                return None
            if (wait := self._boots.wait(caller.node)) > 0.0:
                return self._too_soon(caller, hostname, wait)
            version = 0 if mine is None else mine.version
            written = await self._records.put_node(NodeRecord(caller.node, caller.vm, caller.boot, hostname, version))
            if not isinstance(written, Stale):
                self._wrote(caller, written, seen, new=_unnamed(caller.vm, known))
                return None
        return unavailable(f"the record of node {hostname} is being changed all the time")

    async def _judged(
        self, caller: Caller, hostname: str, known: Mapping[NodeId, NodeRecord], seen: Seen
    ) -> Rejection | None:
        """``seen``: what the hypervisor says of its VM, which counts if the node is new."""
        claimed = Claimed(caller.node, hostname, caller.vm, caller.boot, await self._runs(caller))
        world = self._state.world
        if world is None or world.nodes is None or world.volumes is None:
            return unavailable("the swarm and the records must be read first")
        why: str | Elsewhere | Rejection | None = self._believing.binding(claimed, known.values(), world)
        if why is None and caller.node not in known:
            off = seen.off and _unnamed(caller.vm, known)
            why = _is_off(caller, hostname) if off else self._elsewhere(caller, hostname, world, seen)
        return self._answer(caller.node, why)

    def _answer(self, node: NodeId, why: str | Elsewhere | Rejection | None) -> Rejection | None:
        if isinstance(why, Rejection):
            return why
        told, answer = (why.why, why.answer) if isinstance(why, Elsewhere) else (why, why)
        self._believe(node, told)
        return None if answer is None else Rejection(Status.CONFLICT, answer)

    def _elsewhere(self, caller: Caller, hostname: str, world: World, seen: Seen) -> Elsewhere | Rejection | None:
        """It may be a stranger's VM, or a copy's, also where nobody has named it yet."""
        at = _address(caller, world)
        if not at and contradicts(seen.guest):
            return unavailable(f"Swarm's managers have not said yet from which address node {hostname} comes")
        here = self._believing.located(at, seen.guest)
        return elsewhere(hostname, caller.vm, at, seen.guest) if here is False else None

    def _wrote(self, caller: Caller, written: NodeRecord, seen: Seen, *, new: bool) -> None:
        self._known.wrote(written)
        self._boots.take(caller.node)
        self._told.discard(caller.node)
        if new:
            self._tell_new(caller, written.hostname, seen)
        self._wakeup(f"node {written.hostname} told its VM and boot")

    def _tell_new(self, caller: Caller, hostname: str, seen: Seen) -> None:
        """A word that nothing vouches for is shown to people, while the swarm has something to lose."""
        world = self._state.world
        named = f"node {hostname} says for the first time that it is VM {caller.vm}"
        if world is not None and self._believing.located(_address(caller, world), seen.guest):
            why = f"{named}, and comes from an address that the hypervisor knows of that VM"
            _log.info("vm.first_named", node=hostname, vm=caller.vm, boot=caller.boot, why=why)
            return
        why = f"{named}, and nothing but its own word says so"
        _log.warning("vm.first_named", node=hostname, vm=caller.vm, boot=caller.boot, why=why)
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


def _address(caller: Caller, world: World) -> str:
    """At which Swarm's managers see it."""
    node = (world.nodes or {}).get(caller.node)
    return "" if node is None else node.address


def _is_off(caller: Caller, hostname: str) -> str:
    """One that is off does not speak."""
    return (
        f"node {hostname} says for the first time that it is VM {caller.vm}, and the hypervisor says that this VM is "
        "off: it is another machine, or the VM runs elsewhere and has left a definition behind; see its UUID"
    )


def _unnamed(vm: VmId, known: Mapping[NodeId, NodeRecord]) -> bool:
    return all(each.vm != vm for each in known.values())

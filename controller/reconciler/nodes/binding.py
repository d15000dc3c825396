"""
Whether a node may speak for the VM that it names. Pure.

A node's word alone binds nothing: a copied VM has the SMBIOS UUID of its source, and whoever owns one node may name any
UUID. What a second node says about a VM, above all "it has started again since", is believed only where nothing hangs
on that VM, where it is the same boot, or where the hypervisor's own word or a person's stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from controller.model import BootId, Node, NodeId, NodeState, VmId, World
from controller.reconciler.nodes.lost_nodes import hanging_on
from controller.records.base import NodeRecord
from drivers.shared.smbios import one_machine


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a node says of itself. ``runs``: the boot of that VM as the hypervisor knows it, None where it does not."""

    node: NodeId
    hostname: str
    vm: VmId
    boot: BootId
    runs: BootId | None = None


Binding = Callable[[Claimed, Iterable[NodeRecord], World], str | None]


def refusal(claimed: Claimed, records: Iterable[NodeRecord], world: World) -> str | None:
    """
    Why this node does not speak for that VM in that boot, with the cure; None: it does.

    A rule like those of planner/rules.py: handed to the registry, replaced by tests alone (tests/sim/careless.py).
    """
    for why in _refusals(claimed, records, world):
        return why
    return None


def _refusals(claimed: Claimed, records: Iterable[NodeRecord], world: World) -> Iterator[str]:
    """The plainest first."""
    same = [each for each in records if one_machine(claimed.vm, each.vm) or claimed.node == each.node]
    yield from (_changed(claimed, each) for each in same if each.node == claimed.node and each.vm != claimed.vm)
    if claimed.runs not in {None, claimed.boot}:
        yield (
            f"node {claimed.hostname} says that it is VM {claimed.vm} in boot {claimed.boot[:8]}, and the hypervisor "
            f"says that boot {claimed.runs} runs there: it is another machine; give it an SMBIOS UUID of its own"
        )
    yield from filter(None, (_other(claimed, each, world) for each in same if each.node != claimed.node))


def _changed(claimed: Claimed, record: NodeRecord) -> str:
    return (
        f"node {claimed.hostname} was VM {record.vm} and now says it is VM {claimed.vm}: if its machine was replaced, "
        "let the node leave the swarm and join again; if not, correct the VM's SMBIOS UUID"
    )


def _other(claimed: Claimed, record: NodeRecord, world: World) -> str | None:
    node = (world.nodes or {}).get(record.node)
    if node is not None and node.state is not NodeState.DOWN:
        return (
            f"nodes {claimed.hostname} and {record.hostname} both say that they are VM {claimed.vm}, and "
            f"{record.hostname} is {node.state.value}: a cloned VM keeps its SMBIOS UUID; give one of them a new one"
        )
    if _stands_beside(claimed, record, node, world):
        return None
    hanging = ", ".join(hanging_on(world, record.vm, record.boot))
    if not hanging and not world.unreadable and not world.unlisted:
        return None
    held = hanging or "what could not be read"
    return (
        f"node {claimed.hostname} says that it is VM {claimed.vm} in another boot, and that is the VM of node "
        f"{record.hostname}, which may still write to {held}: nothing but its own word says that this is the same "
        f"machine. If it is, and was started again: `reberth confirm-dead {record.node} "
        '--reason "..."`. If it is another one, give it an SMBIOS UUID of its own'
    )


def _stands_beside(claimed: Claimed, record: NodeRecord, node: Node | None, world: World) -> bool:
    """Whether its word is not alone: the hypervisor's, that of the same boot, or a person's is beside it."""
    return claimed.runs is not None or _same_machine(claimed, record, node, world) or _vouched(record, world)


def _vouched(record: NodeRecord, world: World) -> bool:
    """A person said that the old node is dead: in the boot of its record, or in that in which it may still write."""
    grants = (grant for each in (world.volumes or {}).values() for grant in each.grants)
    boots = {record.boot, *(grant.boot for grant in grants if grant.vm == record.vm)}
    return any(said.vm == record.vm and said.boot in boots for said in world.confirmations)


def _same_machine(claimed: Claimed, record: NodeRecord, node: Node | None, world: World) -> bool:
    """
    The same boot, at the address at which Swarm knew the old node.

    Of a node that has joined and not reported to Swarm yet, no address is known: it may be anywhere.
    """
    if record.boot != claimed.boot:
        return False
    now = (world.nodes or {}).get(claimed.node)
    return node is None or now is None or not node.address or node.address == now.address

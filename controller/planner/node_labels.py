"""
Which nodes should bear the label by which Swarm is told that a node is dead. Pure.

A service whose constraint forbids the label is started anew by Swarm's own constraint enforcer as soon as its node
bears it: heartbeats play no part. So the label follows evidence and never a guess, and goes as soon as the node lives.
It decides nothing about a disk: a label that a person sets moves containers, and each volume still waits for evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.model import Node, NodeId, NodeState, Policy, Power, VolumeName, World
from controller.planner.context import WorldIndex

VALUE = "down"


@dataclass(frozen=True, slots=True)
class LabelChange:
    """``put`` False: take it off. ``hostname`` and ``why`` are for people."""

    node: NodeId
    hostname: str
    put: bool
    why: str


def label_changes(index: WorldIndex) -> tuple[LabelChange, ...]:
    """What differs from what should be, as far as it can be known now; nothing while a person has paused us."""
    world = index.world
    if world.nodes is None or world.paused is not None or not index.policy.node_label:
        return ()
    if not world.power and not any(node.labelled for node in world.nodes.values()):
        return ()  # none can be seen off, none bears it
    changes = [_change(index, node) for node in world.nodes.values()]
    return tuple(each for each in changes if each is not None)


def unconstrained(world: World, policy: Policy, name: VolumeName) -> Iterator[str]:
    """Services that use the volume and do not forbid the label, one sentence each with the cure."""
    claim = (world.claims or {}).get(name)
    wanted = f"node.labels.{policy.node_label}!={VALUE}"
    if claim is None or not policy.node_label:
        return
    for service in sorted({task.service for task in claim.tasks if wanted not in task.constraints}):
        yield (
            f"Service {service} starts elsewhere only when Swarm has missed its node's heartbeats. Sooner with the "
            f"placement constraint node.labels.{policy.node_label} != {VALUE} (docs/performance.md)."
        )


def _change(index: WorldIndex, node: Node) -> LabelChange | None:
    if any(part.on(node.id, node.vm) for part in index.world.paused_parts):
        return None
    if node.labelled:
        return LabelChange(node.id, node.hostname, False, "the node is ready again") if _lives(index, node) else None
    if not _dead(index, node) or _too_many(index):
        return None
    return LabelChange(node.id, node.hostname, True, f"the hypervisor sees VM {node.vm} powered off")


def _dead(index: WorldIndex, node: Node) -> bool:
    """
    Seen off in this look. Swarm's enforcer looks at active nodes only: on others it would do nothing.

    Nodes that share a VM (a clone's UUID, or an ID that was left behind by a new join) are not told apart by it.
    """
    if node.vm is None or node.vm in index.shared_vms or index.node_on[node.vm] is not node or not node.available:
        return False
    return node.vm in index.off


def _lives(index: WorldIndex, node: Node) -> bool:
    """Ready, not seen off, and its gate was heard in the boot that the node is in: never a word from before it died."""
    if node.state is not NodeState.READY or node.vm is None or index.power(node.vm) is Power.OFF:
        return False
    view = index.world.gates.get(node.vm)
    return index.fresh(view) and view is not None and view.boot == node.boot and view.node == node.id


def _too_many(index: WorldIndex) -> bool:
    """More nodes gone at once than the storm guard allows, by whatever word: then Swarm is told nothing new."""
    nodes = (index.world.nodes or {}).values()
    real = [node for node in nodes if node.vm is None or index.node_on[node.vm] is node]
    gone = [node for node in real if _gone(index, node)]
    return len(gone) > index.policy.max_down_fraction * len(real)


def _gone(index: WorldIndex, node: Node) -> bool:
    """After a change of Swarm's leader all nodes are unknown to it for half a minute: whose gate speaks is not gone."""
    view = None if node.vm is None else index.world.gates.get(node.vm)
    away = node.state is not NodeState.READY and not index.fresh(view)
    return away or node.labelled or node.vm in index.off

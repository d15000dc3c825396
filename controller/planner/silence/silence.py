"""
Whether a node that our own detector misses may be powered off for a volume. Pure.

A wrong suspicion costs a machine its power, never a volume its one writer: nothing is dropped, detached or granted for
it. So it is asked only where the power-off was chosen by the policy, and where the task can then start elsewhere.
"""

from __future__ import annotations

from controller.model import FencePolicy, Node, NodeState
from controller.planner.context import VolumeContext
from controller.planner.evidence import Holder
from controller.planner.node_labels import unconstrained


def powers_off(ctx: VolumeContext) -> bool:
    """Only where a person chose it: that another policy ends in a power-off on some storage does not count."""
    return (ctx.entry.spec.policy or ctx.index.policy.fence) is FencePolicy.POWER_OFF


def missed_for(ctx: VolumeContext, node: Node) -> float:
    """Seconds since Swarm missed the node, or since we did where that may begin the grace."""
    ours = node.silent_for if powers_off(ctx) else None
    return max(node.down_for or 0.0, ours or 0.0)


def may_be_fenced(ctx: VolumeContext, node: Node, held: Holder) -> bool:
    """Whether the grace of a node that Swarm calls ready has begun for this volume."""
    ready = node.state is NodeState.READY and node.vm not in ctx.index.shared_vms
    return ready and powers_off(ctx) and ctx.rules.silent(ctx, node, held) and _waited_for(ctx, node)


def _waited_for(ctx: VolumeContext, node: Node) -> bool:
    """Whether somebody is served by it: another node that is to have the volume, or one that its task could go to."""
    if ctx.target is None:
        return False
    return ctx.target.id == node.id or _takes(ctx.target)


def can_leave(ctx: VolumeContext, node: Node) -> bool:
    """
    Whether its task starts elsewhere as soon as the node bears the label: on others the power-off gains nothing
    that Swarm's own word does not give.
    """
    if node.silent_for is None or not node.available or not _starts_elsewhere(ctx):
        return False
    if not ctx.home and ctx.disk_vm != node.vm:
        return False  # nothing of it is there
    return _taken_by_another(ctx, node)


def _taken_by_another(ctx: VolumeContext, node: Node) -> bool:
    nodes = (ctx.index.world.nodes or {}).values()
    return any(each.id != node.id and each.available and each.vm != node.vm and _takes(each) for each in nodes)


def _takes(node: Node) -> bool:
    return node.state is NodeState.READY and node.silent_for is None and node.vm is not None and not node.labelled


def _starts_elsewhere(ctx: VolumeContext) -> bool:
    """Whether the label is used, and each of its services forbids it."""
    return bool(ctx.index.policy.node_label) and not any(unconstrained(ctx.index.world, ctx.index.policy, ctx.name))


def keeps_quorum(ctx: VolumeContext, node: Node) -> bool:
    """Whether enough managers are left without it: Swarm could start nothing elsewhere."""
    managers = [each for each in (ctx.index.world.nodes or {}).values() if each.manager]
    left = [each for each in managers if each.id != node.id and _takes(each)]
    return not node.manager or len(left) >= len(managers) // 2 + 1

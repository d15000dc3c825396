"""Whether a disk that is to get a record is free, by what was read. Pure."""

from __future__ import annotations

from controller.model import Attachment, AttachmentState, DiskId, Node, NodeState, Policy, VmId, World
from controller.planner.context import WorldIndex, index_world
from controller.planner.rules import RULES


def held(world: World, policy: Policy, disk: DiskId) -> str | None:
    """Why its present place is not one from which the planner may take it."""
    index = index_world(world, policy, RULES)
    if world.unlisted and disk not in index.disks:
        return f"disk {disk} is listed nowhere, and may be on a machine that could not be read: {world.unlisted[0]}"
    return next(filter(None, (_held_by(index, each) for each in index.disks.get(disk, ()))), None)


def _held_by(index: WorldIndex, there: Attachment) -> str | None:
    if there.state is not AttachmentState.ATTACHED:
        return f"the storage is at work on disk {there.disk}: try again when it is done"
    view, node = index.world.gates.get(there.vm), index.node_on.get(there.vm)
    if there.vm in index.off or (_is_ready(node) and index.fresh(view)):
        return None
    return _elsewhere(there.disk, there.vm, node)


def _is_ready(node: Node | None) -> bool:
    return node is not None and node.state is NodeState.READY


def _elsewhere(disk: DiskId, vm: VmId, node: Node | None) -> str:
    where = f"VM {vm}, which is no node of this swarm" if node is None else f"node {node.hostname} (VM {vm})"
    return (
        f"disk {disk} is attached to {where}, and nothing says whether it is in use there: another swarm may use it. "
        "Bring that node's gate back, or power that VM off, or detach the disk there in the storage system"
    )

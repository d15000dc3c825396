"""
What a volume's record says of its past, and when an open intent is settled. Pure.

An intent stays in the record after an operation that is Done: the storage's list confirms it, and the next write
replaces it and adds the history entry. That saves a Raft write in each step of a failover, and a controller that dies
in between loses nothing: whoever writes next finds the settled intent and notes what the list shows.
"""

from __future__ import annotations

from controller.model import (
    AttachmentState,
    Epoch,
    Evidence,
    HistoryEntry,
    Intent,
    Moment,
    Operation,
    VmId,
    VolumeRecord,
    World,
)

_PLACED = {Operation.ATTACH: Moment.ATTACHED, Operation.DETACH: Moment.DETACHED}


def settled(record: VolumeRecord, world: World) -> bool:
    """Whether there is an intent, and what was read agrees that it happened. Not while its call may still come."""
    intent = record.intent
    if intent is None or world.attachments is None or record.disk is None:
        return False
    if intent.in_doubt and intent.epoch == world.epoch and intent.operation is not Operation.CREATE:
        return False
    there = {each.vm: each.state for each in world.attachments if each.disk == record.disk}
    match intent.operation:
        case Operation.ATTACH:
            return there.get(_vm(intent)) is AttachmentState.ATTACHED
        case Operation.DETACH:
            return intent.vm not in there
        case Operation.CREATE:
            return True
        case Operation.DELETE | Operation.POWER_OFF:
            return False


def placed_entry(record: VolumeRecord, world: World, at: float) -> HistoryEntry | None:
    """The entry that a settled attach or detach deserves; None when the newest such entry says it already."""
    intent = record.intent
    if intent is None or intent.vm is None or intent.operation not in _PLACED or not settled(record, world):
        return None
    moment, node = _PLACED[intent.operation], hostname(world, intent.vm)
    newest = next((each for each in reversed(record.history) if each.moment in _PLACED.values()), None)
    if newest is not None and (newest.moment, newest.node) == (moment, node):
        return None
    word = "attached to" if moment is Moment.ATTACHED else "detached from"
    return HistoryEntry(moment, at, intent.epoch, f"disk {record.disk} {word} VM {intent.vm}", node, intent.evidence)


def evidence_entry(record: VolumeRecord, evidence: Evidence, epoch: Epoch, node: str, at: float) -> HistoryEntry | None:
    """The entry for evidence that is acted on now; None when it was noted since the disk was last attached."""
    for each in reversed(record.history):
        if each.moment in {Moment.ATTACHED, Moment.GRANTED}:
            break
        if each.moment is Moment.EVIDENCE and (each.evidence, each.node) == (evidence.kind, node):
            return None
    return HistoryEntry(Moment.EVIDENCE, evidence.at or at, epoch, evidence.text, node, evidence.kind)


def mounted_is_news(record: VolumeRecord, node: str) -> bool:
    """Whether the newest grant to this node has no MOUNTED entry yet."""
    for each in reversed(record.history):
        if each.node == node and each.moment is Moment.MOUNTED:
            return False
        if each.node == node and each.moment is Moment.GRANTED:
            return True
    return False


def hostname(world: World, vm: VmId | None) -> str:
    """The node on this VM, for people: a living one before one it left behind when it rejoined."""
    nodes = [node for node in (world.nodes or {}).values() if vm is not None and node.vm == vm]
    nodes.sort(key=lambda node: node.down_for is not None)
    return nodes[0].hostname if nodes else ""


def _vm(intent: Intent) -> VmId:
    return intent.vm or VmId("")

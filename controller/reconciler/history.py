"""
What a volume's record says of its past, and when an open intent is settled. Pure.

An intent stays in the record after an operation that is Done: the storage's list confirms it, and the next write
replaces it and adds the history entry. That saves a Raft write in each step of a failover, and a controller that dies
in between loses nothing: whoever writes next finds the settled intent and notes what the list shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from controller.model import (
    AttachmentState,
    Epoch,
    Evidence,
    EvidenceKind,
    HistoryEntry,
    Intent,
    Moment,
    MountState,
    Operation,
    VmId,
    VolumeRecord,
    World,
)
from controller.protocol.messages import VolumeReport

_PLACED = {Operation.ATTACH: Moment.ATTACHED, Operation.DETACH: Moment.DETACHED}


def settled(record: VolumeRecord, world: World) -> bool:
    """Whether there is an intent, and what was read agrees that it happened. Not while its call may still come."""
    intent = record.intent
    if intent is None or world.attachments is None or record.disk is None:
        return False
    if _may_still_come(intent, world):
        return False
    there = {each.vm: each.state for each in world.attachments if each.disk == record.disk}
    return _shown(intent, there) and not _may_be_hidden(intent, there, world)


def _may_be_hidden(intent: Intent, there: Mapping[VmId, AttachmentState], world: World) -> bool:
    """On a machine that could not be read."""
    return intent.operation is Operation.DETACH and not there and bool(world.unlisted)


def _may_still_come(intent: Intent, world: World) -> bool:
    """Its call was not answered, and no newer epoch has made the storage refuse it since."""
    return intent.in_doubt and intent.epoch == world.epoch and intent.operation is not Operation.CREATE


def _shown(intent: Intent, there: Mapping[VmId, AttachmentState]) -> bool:
    """``there``: where the storage lists the disk."""
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


def entry(world: World, moment: Moment, text: str, at: float, vm: VmId | None = None) -> HistoryEntry:
    return HistoryEntry(moment, at, world.epoch, text, hostname(world, vm))


def evidence_entries(record: VolumeRecord, evidence: Evidence, world: World, at: float) -> tuple[HistoryEntry, ...]:
    """The entries for evidence that is acted on now; none when it was noted since the disk was last attached."""
    node = hostname(world, evidence.vm)
    for each in reversed(record.history):
        if each.moment in {Moment.ATTACHED, Moment.GRANTED}:
            break
        if each.moment is Moment.EVIDENCE and (each.evidence, each.node) == (evidence.kind, node):
            return ()
    told = HistoryEntry(Moment.EVIDENCE, evidence.at or at, world.epoch, evidence.text, node, evidence.kind)
    return (*_whose_word(record, evidence, world, at), told)


def _whose_word(record: VolumeRecord, evidence: Evidence, world: World, at: float) -> Iterator[HistoryEntry]:
    """Before the evidence itself: that the holder's gate let go, or when a person said what."""
    if evidence.kind is EvidenceKind.CONFIRMED:
        yield from _confirmed(evidence, world, at)
    if evidence.kind is EvidenceKind.RELEASED:
        yield from _released(record, evidence, world, at)


def _confirmed(evidence: Evidence, world: World, at: float) -> Iterator[HistoryEntry]:
    for said in world.confirmations:
        if said.vm == evidence.vm:
            text = f"{said.by or 'a person'} confirmed that VM {said.vm} is dead: {said.reason}"
            yield replace(entry(world, Moment.CONFIRMED, text, said.at or at, said.vm), evidence=evidence.kind)


def _released(record: VolumeRecord, evidence: Evidence, world: World, at: float) -> Iterator[HistoryEntry]:
    view = world.gates.get(evidence.vm)
    if view is None or view.volumes.get(record.name) is None:
        return
    serials = [each.serial for each in record.grants if (each.vm, each.boot) == (view.vm, view.boot)]
    if serials:
        text = f"its gate let go what it had mounted under serial {max(serials)}"
        yield replace(entry(world, Moment.RELEASED, text, at, view.vm), evidence=evidence.kind)


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


def with_report(
    record: VolumeRecord, report: VolumeReport, epoch: Epoch, at: float, hostname: str
) -> VolumeRecord | None:
    """The record with what a gate that has a grant of ``epoch`` adds to it; None when that is nothing."""
    change = record
    if report.formatted and not record.formatted:
        text = f"file system {record.spec.fstype} with UUID {record.carries}"
        if record.spec.source is not None:
            text = f"{text}, copied from volume {record.spec.source.volume}; its label is {record.fs_uuid}"
        told = HistoryEntry(Moment.FORMATTED, at, epoch, text, hostname)
        change = replace(change, formatted=True, history=(*change.history, told))
    if report.state == MountState.MOUNTED.value and mounted_is_news(record, hostname):
        told = HistoryEntry(Moment.MOUNTED, at, epoch, f"serial {report.serial}", hostname)
        change = replace(change, history=(*change.history, told))
    return None if change is record else change


def ends_with(record: VolumeRecord, told: HistoryEntry) -> bool:
    """Whether the newest entry says the same of the same node: a fence that is asked for again is one long story."""
    return bool(record.history) and (record.history[-1].moment, record.history[-1].node) == (told.moment, told.node)

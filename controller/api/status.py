"""
What people are told: `reberth status` and `reberth explain VOLUME`. Made of the last look and its decisions.

The JSON form is in `controller.protocol.views`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from controller.api.changes.quotas import quota_uses
from controller.api.viewing.node_lines import node_line
from controller.api.viewing.warnings import is_full, warnings
from controller.doctor.storage import scarce
from controller.model import (
    Grant,
    HistoryEntry,
    Moment,
    Policy,
    SnapshotState,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.names import own_version
from controller.planner.actions import Alarm, Converged, Refuse, Wait, reason
from controller.planner.node_labels import unconstrained
from controller.planner.placement import Placement
from controller.planner.plan import Decision
from controller.planner.remedies import remedy
from controller.protocol.messages import Details
from controller.protocol.views import (
    AttachmentView,
    EvidenceView,
    Explanation,
    GrantView,
    HistoryView,
    PausedView,
    RoomView,
    StatusView,
    VolumeLine,
)
from controller.reconciler.gate_reports import Usage
from controller.reconciler.history import hostname
from controller.reconciler.state import LoopState, Observation

NO_USAGE = Usage(0, 0)
_WAITS: Mapping[Placement | None, str] = {Placement.KEPT: "kept", Placement.PAUSED: "paused"}


def status(loop: LoopState, policy: Policy, holder: str) -> StatusView | None:
    """None when nothing was looked at yet."""
    look = loop.look
    if look is None:
        return None
    usages = loop.gates.usages()
    lines = tuple(_line(loop, look.world, name, usages.get(name)) for name in loop.volumes())
    nodes = look.world.nodes or {}
    name = next((node.hostname for node in nodes.values() if node.id == holder), holder)
    told = tuple(sorted((node_line(loop, look.world, node) for node in nodes.values()), key=lambda line: line.node))
    advised = dict.fromkeys(each for volume in loop.volumes() for each in unconstrained(look.world, policy, volume))
    world = look.world
    return StatusView(
        world.epoch,
        name,
        world.paused,
        look.at,
        lines,
        told,
        world.unread,
        tuple(advised),
        own_version(),
        tuple(PausedView(each.kind, each.name, each.reason) for each in world.paused_parts),
        _rooms(loop),
        quota_uses(loop),
    )


def _rooms(loop: LoopState) -> tuple[RoomView, ...]:
    return tuple(RoomView(each.name, each.free, each.size, scarce(each)) for each in loop.rooms)


def _line(loop: LoopState, world: World, name: VolumeName, usage: Usage | None) -> VolumeLine:
    record = loop.record(name)
    vms = _vms(world, record)
    hosts = ", ".join(hostname(world, vm) or "?" for vm in vms)
    decision = loop.decisions.get(name)
    word = "refused" if name in loop.unrecorded else state(decision)
    line = VolumeLine(name, hosts, ", ".join(vms), word, loop.why(name), warnings(loop, world, name, usage))
    line = msgspec.structs.replace(line, overdue=loop.overdue.get(name, ""))
    if usage is not None:
        room = {"used_bytes": usage.used, "available_bytes": usage.available, "full": is_full(usage, loop.full)}
        line = msgspec.structs.replace(line, **room)
    return line if record is None else _with_spec(line, record, allocated_bytes(loop, record))


def allocated_bytes(loop: LoopState, record: VolumeRecord) -> int | None:
    """What its disk takes in the storage, if that tells it."""
    found = (None if record.disk is None else each.used.get(record.disk) for each in loop.rooms)
    return next((used for used in found if used is not None), None)


def _with_spec(line: VolumeLine, record: VolumeRecord, allocated: int | None) -> VolumeLine:
    spec, disk = record.spec, record.disk or ""
    return msgspec.structs.replace(
        line,
        service=record.service,
        size_bytes=spec.size_bytes,
        fstype=spec.fstype,
        disk=disk,
        allocated_bytes=allocated,
    )


def details(loop: LoopState, record: VolumeRecord) -> Details:
    """What `docker volume inspect` shows."""
    decision, world, source = loop.decisions.get(record.name), loop.world, record.spec.source
    usage = loop.gates.usages().get(record.name, NO_USAGE)
    created = next((each.at for each in record.history if each.moment is Moment.CREATED), 0.0)
    hosts = () if world is None else (hostname(world, vm) or "?" for vm in _vms(world, record))
    return Details(
        record.name,
        state(decision),
        loop.why(record.name),
        ", ".join(hosts),
        record.spec.size_bytes,
        record.spec.fstype,
        record.disk or "",
        "" if source is None else source.volume,
        created,
        ", ".join(labels_of(record)),
        usage.used,
        usage.available,
    )


def labels_of(record: VolumeRecord) -> tuple[str, ...]:
    return tuple(f"{name}={text}" for name, text in record.spec.labels)


def state(decision: Decision | None) -> str:
    """One word for a table."""
    match None if decision is None else decision.action:
        case None:
            return "unknown"
        case Converged(starting=starting):
            return "starting" if starting else "ok"
        case Wait():
            return "waiting" if decision is None else _WAITS.get(decision.placement, "waiting")
        case Refuse():
            return "refused"
        case Alarm():
            return "ALARM"
        case _:
            return "working"


def explain(loop: LoopState, policy: Policy, name: VolumeName) -> Explanation | None:
    """None when no such volume is known."""
    look, record = loop.look, loop.record(name)
    decision = loop.decisions.get(name)
    if look is None or (record is None and decision is None and name not in loop.unrecorded):
        return None
    world, usage = look.world, loop.gates.usages().get(name)
    told = Explanation(
        volume=name,
        state=state(decision),
        placement=_placement(decision),
        decision="none" if decision is None else decision.action.kind,
        why=_why(decision),
        cure=remedy(decision, world, policy),
        phase="none",
        disk=None,
        size_bytes=0,
        fstype="",
        formatted=False,
        claim=_claim(world, name),
        refused=_refused(world, name),
        setback=loop.setbacks.get(name),
        unread=world.unread,
        looked_at=look.at,
        advice=tuple(unconstrained(world, policy, name)),
        warnings=warnings(loop, world, name, usage),
        used_bytes=(usage or NO_USAGE).used,
        available_bytes=(usage or NO_USAGE).available,
    )
    if name in loop.unrecorded:
        found = loop.unrecorded[name]
        return msgspec.structs.replace(told, state="refused", why=f"{found.why}.", cure=found.cure)
    return told if record is None else _with_record(told, look, decision, record)


def _placement(decision: Decision | None) -> str:
    return "not looked at" if decision is None or decision.placement is None else decision.placement.value


def _why(decision: Decision | None) -> str:
    if decision is None:
        return "the controller has not decided on it yet"
    return decision.action.why if isinstance(decision.action, Alarm) else reason(decision.action)


def _with_record(told: Explanation, look: Observation, decision: Decision | None, record: VolumeRecord) -> Explanation:
    world = look.world
    return msgspec.structs.replace(
        told,
        phase=record.phase.value,
        disk=record.disk,
        size_bytes=record.spec.size_bytes,
        fstype=record.spec.fstype,
        snapshots=sum(each.state is SnapshotState.THERE for each in record.snapshots.each),
        schedule="" if record.spec.schedule is None else str(record.spec.schedule),
        formatted=record.formatted,
        copy_of=record.copy_of,
        labels=labels_of(record),
        attachments=tuple(_attachments(world, record)),
        history=tuple(_history(each) for each in record.history),
        grants=tuple(_grant(world, record, each) for each in record.grants),
        evidence=tuple(_evidence(look, decision, record)),
    )


def _attachments(world: World, record: VolumeRecord) -> Iterable[AttachmentView]:
    for each in world.attachments or ():
        if each.disk == record.disk:
            yield AttachmentView(vm=each.vm, node=hostname(world, each.vm), state=each.state, epoch=each.epoch)


def _history(entry: HistoryEntry) -> HistoryView:
    return HistoryView(
        moment=entry.moment,
        at=entry.at,
        epoch=entry.epoch,
        text=entry.text,
        node=entry.node,
        evidence=entry.evidence,
    )


def _grant(world: World, record: VolumeRecord, grant: Grant) -> GrantView:
    return GrantView(
        task=grant.task,
        node=hostname(world, grant.vm),
        vm=grant.vm,
        boot=grant.boot,
        epoch=grant.epoch,
        serial=grant.serial,
        at=grant.at,
        revoked=record.revoked,
    )


def _evidence(look: Observation, decision: Decision | None, record: VolumeRecord) -> Iterable[EvidenceView]:
    """What is known now about the holders of grants: none means that each may still write."""
    ctx = None if decision is None else decision.context
    if ctx is None or ctx.record is None:
        return
    for vm, boot in dict.fromkeys((grant.vm, grant.boot) for grant in record.grants):
        found = ctx.rules.evidence(ctx, vm, boot)
        if found is not None:
            yield EvidenceView(
                kind=found.kind,
                vm=vm,
                node=hostname(look.world, vm),
                text=found.text,
                source=found.source,
                at=found.at or look.at,
            )


def _claim(world: World, name: VolumeName) -> str:
    claim = (world.claims or {}).get(name)
    if claim is None or not claim.tasks:
        return "no task wants it"
    node = None if claim.node is None else (world.nodes or {}).get(claim.node)
    where = "no node yet" if claim.node is None else f"node {node.hostname if node else claim.node}"
    return f"service {claim.tasks[0].service} (task {claim.tasks[0].id}) on {where}"


def _refused(world: World, name: VolumeName) -> tuple[str, ...]:
    """What services are told that want the volume beside the one that has it."""
    claim = (world.claims or {}).get(name)
    return () if claim is None else tuple(dict.fromkeys(each.why for each in claim.refused))


def _vms(world: World, record: VolumeRecord | None) -> tuple[VmId, ...]:
    if record is None or record.disk is None:
        return ()
    return tuple(each.vm for each in world.attachments or () if each.disk == record.disk)

"""
What people are told: `reberth status` and `reberth explain VOLUME`. Made of the last look and its decisions.

The JSON form is in `controller.protocol.views`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from controller.doctor.node_advice import advice
from controller.model import (
    Grant,
    HistoryEntry,
    Moment,
    Node,
    Policy,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.names import own_version
from controller.planner.actions import Alarm, Converged, Refuse, Wait, kind, reason
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
    NodeLine,
    PausedView,
    StatusView,
    VolumeLine,
)
from controller.reconciler.history import hostname
from controller.reconciler.state import LoopState, Observation

_WAITS: Mapping[Placement | None, str] = {Placement.KEPT: "kept", Placement.PAUSED: "paused"}


def status(loop: LoopState, policy: Policy, holder: str) -> StatusView | None:
    """None when nothing was looked at yet."""
    look = loop.look
    if look is None:
        return None
    lines = tuple(_line(loop, look.world, name) for name in loop.volumes())
    nodes = look.world.nodes or {}
    name = next((node.hostname for node in nodes.values() if node.id == holder), holder)
    told = tuple(sorted((_node_line(loop, look.world, node) for node in nodes.values()), key=lambda line: line.node))
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
    )


def _node_line(loop: LoopState, world: World, node: Node) -> NodeLine:
    view = None if node.vm is None else world.gates.get(node.vm)
    hello = loop.hellos.get(node.id)
    gate = "its node service was not heard yet" if hello is None else hello.gate
    heard = None if view is None else view.age
    concerns = tuple(_concerns(loop, node))
    return NodeLine(node.hostname, node.id, node.state.value, node.vm, gate, heard, concerns, node.labelled)


def _concerns(loop: LoopState, node: Node) -> Iterable[str]:
    hello = loop.hellos.get(node.id)
    if hello is not None and (told := advice(node, hello.tcp_retries2)):
        yield told
    if node.vm is not None:
        yield from loop.concerns.get(node.vm, ())


def _line(loop: LoopState, world: World, name: VolumeName) -> VolumeLine:
    record = loop.record(name)
    vms = _vms(world, record)
    hosts = ", ".join(hostname(world, vm) or "?" for vm in vms)
    decision = loop.decisions.get(name)
    line = VolumeLine(name, hosts, ", ".join(vms), state(decision), loop.why(name), _warnings(loop, world, name))
    return line if record is None else _with_spec(line, record)


def _with_spec(line: VolumeLine, record: VolumeRecord) -> VolumeLine:
    spec, disk = record.spec, record.disk or ""
    return msgspec.structs.replace(
        line, service=record.service, size_bytes=spec.size_bytes, fstype=spec.fstype, disk=disk
    )


def details(loop: LoopState, record: VolumeRecord) -> Details:
    """What `docker volume inspect` shows."""
    decision, world, source = loop.decisions.get(record.name), loop.world, record.spec.source
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
    )


def labels_of(record: VolumeRecord) -> tuple[str, ...]:
    return tuple(f"{name}={text}" for name, text in record.spec.labels)


def _warnings(loop: LoopState, world: World, name: VolumeName) -> tuple[str, ...]:
    """What node services last said of volumes of Docker's own driver that bear the name: Docker takes those first."""
    nodes = world.nodes or {}
    found = sorted(
        nodes[node].hostname
        for node, hello in loop.hellos.items()
        if node in nodes and hello.engine is not None and name in hello.engine.local_volumes
    )
    return tuple(
        f"node {host} has a local volume {name}: a container that names no driver starts on it there, and one that "
        f"names driver reberth does not start; copy away what is worth keeping, then `docker volume rm {name}` there"
        for host in found
    )


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
    if look is None or (record is None and decision is None):
        return None
    world = look.world
    told = Explanation(
        volume=name,
        state=state(decision),
        placement=_placement(decision),
        decision="none" if decision is None else kind(decision.action),
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
        warnings=_warnings(loop, world, name),
    )
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

"""
What people are told: `reberth status` and `reberth explain VOLUME`. Pure: from the last look and its decisions.

The JSON form is described in docs/explain.md; other programs read it, so fields are only ever added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from controller.actions import Action, Alarm, Converged, Refuse, Wait
from controller.advice import advice
from controller.board import Board, Look, kind, reason
from controller.case import ALL_RULES, Case, case_of, index_of
from controller.cures import cure
from controller.evidence import evidence
from controller.journal import hostname
from controller.model import AttachmentState, EvidenceKind, Moment, Node, Policy, VmId, VolumeName, VolumeRecord, World
from controller.plan import placement


class EvidenceView(msgspec.Struct, frozen=True):
    """``at``: unix seconds of the look it was read in."""

    kind: EvidenceKind
    vm: str
    node: str
    text: str
    source: str
    at: float


class HistoryView(msgspec.Struct, frozen=True):
    moment: Moment
    at: float
    epoch: int
    text: str
    node: str
    evidence: EvidenceKind | None


class GrantView(msgspec.Struct, frozen=True):
    task: str
    node: str
    vm: str
    boot: str
    epoch: int
    serial: int
    at: float
    revoked: bool


class AttachmentView(msgspec.Struct, frozen=True):
    vm: str
    node: str
    state: AttachmentState
    epoch: int | None


class Explanation(msgspec.Struct, frozen=True):
    """One volume. ``placement`` and ``decision`` are words of the planner, ``why`` and ``cure`` sentences."""

    volume: str
    state: str
    placement: str
    decision: str
    why: str
    cure: str
    phase: str
    disk: str | None
    size_bytes: int
    fstype: str
    formatted: bool
    claim: str
    attachments: tuple[AttachmentView, ...] = ()
    evidence: tuple[EvidenceView, ...] = ()
    history: tuple[HistoryView, ...] = ()
    grants: tuple[GrantView, ...] = ()
    refused: tuple[str, ...] = ()
    copy_of: str | None = None
    setback: str | None = None
    unread: tuple[str, ...] = ()
    looked_at: float = 0.0


class VolumeLine(msgspec.Struct, frozen=True):
    volume: str
    node: str
    vm: str
    state: str
    reason: str


class NodeLine(msgspec.Struct, frozen=True):
    """
    ``gate``: the node service's last word about it (once a minute); ``heard``: the gate's own age in seconds;
    ``concerns``: what will hurt some day about the node or its VM, with the cure.
    """

    node: str
    id: str
    state: str
    vm: str | None
    gate: str
    heard: float | None
    concerns: tuple[str, ...] = ()


class StatusView(msgspec.Struct, frozen=True):
    """The acting controller's view of all volumes."""

    epoch: int
    holder: str
    paused: str | None
    looked_at: float
    volumes: tuple[VolumeLine, ...] = ()
    nodes: tuple[NodeLine, ...] = ()
    unread: tuple[str, ...] = ()


def status(board: Board, holder: str) -> StatusView | None:
    """None when nothing was looked at yet."""
    look = board.look
    if look is None:
        return None
    lines = tuple(_line(board, look.world, name) for name in board.volumes())
    nodes = look.world.nodes or {}
    name = next((node.hostname for node in nodes.values() if node.id == holder), holder)
    told = tuple(sorted((_node_line(board, look.world, node) for node in nodes.values()), key=lambda line: line.node))
    return StatusView(look.world.epoch, name, look.world.paused, look.at, lines, told, look.world.unread)


def _node_line(board: Board, world: World, node: Node) -> NodeLine:
    view = None if node.vm is None else world.gates.get(node.vm)
    hello = board.hellos.get(node.id)
    gate = "its node service was not heard yet" if hello is None else hello.gate
    heard = None if view is None else view.age
    return NodeLine(node.hostname, node.id, node.state.value, node.vm, gate, heard, tuple(_concerns(board, node)))


def _concerns(board: Board, node: Node) -> Iterable[str]:
    hello = board.hellos.get(node.id)
    if hello is not None and (told := advice(node, hello.tcp_retries2)):
        yield told
    if node.vm is not None:
        yield from board.concerns.get(node.vm, ())


def _line(board: Board, world: World, name: VolumeName) -> VolumeLine:
    record = board.record(name)
    vms = _vms(world, record)
    hosts = ", ".join(hostname(world, vm) or "?" for vm in vms)
    return VolumeLine(name, hosts, ", ".join(vms), state(board.decisions.get(name)), board.why(name))


def state(action: Action | None) -> str:
    """One word for a table."""
    match action:
        case None:
            return "unknown"
        case Converged():
            return "ok"
        case Wait():
            return "waiting"
        case Refuse():
            return "refused"
        case Alarm():
            return "ALARM"
        case _:
            return "working"


def explain(board: Board, policy: Policy, name: VolumeName) -> Explanation | None:
    """None when no such volume is known."""
    look, record = board.look, board.record(name)
    action = board.decisions.get(name)
    if look is None or (record is None and action is None):
        return None
    world = look.world
    place = placement(world, policy, name)
    common = {
        "volume": name,
        "state": state(action),
        "placement": "not looked at" if place is None else place.value,
        "decision": "none" if action is None else kind(action),
        "why": "the controller has not decided on it yet" if action is None else _why(action),
        "cure": cure(action, world, policy, name),
        "claim": _claim(world, name),
        "refused": _refused(world, name),
        "setback": board.setbacks.get(name),
        "unread": world.unread,
        "looked_at": look.at,
    }
    if record is None:
        empty = {"phase": "none", "disk": None, "size_bytes": 0, "fstype": "", "formatted": False}
        return msgspec.convert({**common, **empty}, Explanation)
    return msgspec.convert(
        {**common, **_stored(world, record), "evidence": _evidence(look, policy, record)},
        Explanation,
        from_attributes=True,
    )


def _why(action: Action) -> str:
    return action.why if isinstance(action, Alarm) else reason(action)


def _stored(world: World, record: VolumeRecord) -> Mapping[str, object]:
    return {
        "phase": record.phase.value,
        "disk": record.disk,
        "size_bytes": record.spec.size_bytes,
        "fstype": record.spec.fstype,
        "formatted": record.formatted,
        "copy_of": None if record.spec.source is None else record.spec.source.volume,
        "attachments": tuple(
            AttachmentView(each.vm, hostname(world, each.vm), each.state, each.epoch)
            for each in world.attachments or ()
            if each.disk == record.disk
        ),
        "history": tuple(
            HistoryView(each.moment, each.at, each.epoch, each.text, each.node, each.evidence)
            for each in record.history
        ),
        "grants": tuple(
            GrantView(
                each.task,
                hostname(world, each.vm),
                each.vm,
                each.boot,
                each.epoch,
                each.serial,
                each.at,
                record.revoked,
            )
            for each in record.grants
        ),
    }


def _evidence(look: Look, policy: Policy, record: VolumeRecord) -> tuple[EvidenceView, ...]:
    """What is known now about the holders of grants: none means that each may still write."""
    case = case_of(index_of(look.world, policy, ALL_RULES), record.name)
    if case.record is None:
        return ()
    return tuple(_views(look, case, record))


def _views(look: Look, case: Case, record: VolumeRecord) -> Iterable[EvidenceView]:
    for vm, boot in dict.fromkeys((grant.vm, grant.boot) for grant in record.grants):
        found = evidence(case, vm, boot)
        if found is not None:
            yield EvidenceView(found.kind, vm, hostname(look.world, vm), found.text, found.source, found.at or look.at)


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

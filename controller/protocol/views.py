"""
What people are shown, as values: the answers to `reberth status` and `reberth explain VOLUME`. Pure.

The JSON form is described in docs/explain.md; other programs read it, so fields are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from controller.model import AttachmentState, EvidenceKind, Moment, QuotaUse


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


class EventView(HistoryView, frozen=True, kw_only=True):
    volume: str


class EventsView(msgspec.Struct, frozen=True):
    """Of all volumes, the oldest first, as far as their records reach back."""

    events: tuple[EventView, ...] = ()


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
    advice: tuple[str, ...] = ()  # what would make its next failover quicker
    warnings: tuple[str, ...] = ()  # what will go wrong on some node, with the cure
    labels: tuple[str, ...] = ()  # NAME=text
    used_bytes: int = 0  # of its file system, as its gate last said; 0: not known
    available_bytes: int = 0
    snapshots: int = 0  # that are there
    schedule: str = ""  # of snapshots: daily keep 7


class VolumeLine(msgspec.Struct, frozen=True):
    volume: str
    node: str
    vm: str
    state: str
    reason: str
    warnings: tuple[str, ...] = ()
    service: str = ""  # that got its newest permission
    size_bytes: int = 0
    fstype: str = ""
    disk: str = ""
    allocated_bytes: int | None = None  # in the storage, where it tells that; of the last inspection
    used_bytes: int = 0  # of its file system, as its gate last said; 0: not known
    available_bytes: int = 0
    full: bool = False  # above the part that the settings say ([volumes] full)
    overdue: str = ""  # why the snapshot is not there that its schedule asks for


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
    labelled: bool = False  # bears the label that tells Swarm that it is dead
    gate_version: str = ""  # as the gate itself last said


class FindingView(msgspec.Struct, frozen=True):
    """``severity``: error, warning or note. ``code`` is stable: docs/doctor.md has them all."""

    code: str
    severity: str
    subject: str
    text: str
    cure: str


class DoctorView(msgspec.Struct, frozen=True):
    """The worst first."""

    findings: tuple[FindingView, ...] = ()


class UpgradePart(msgspec.Struct, frozen=True):
    """
    ``part``: controller, node service or gate. ``version``, ``image``: as far as they are known. ``state``: current,
    waits or unknown, and ``why``.
    """

    part: str
    node: str
    version: str
    image: str
    state: str
    why: str


class UpgradeStep(msgspec.Struct, frozen=True):
    """``part``: controllers, node services or gates. ``state``: done, now, or later: after the steps before it."""

    part: str
    state: str
    text: str


class UpgradeView(msgspec.Struct, frozen=True):
    """
    ``verdict``: done (one version, and nothing is in the way of another), go on (something is not exchanged yet) or
    wait (``holds`` say for what). ``version``, ``holder``: of the controller that acts. ``steps`` in their order.
    """

    verdict: str
    version: str
    holder: str
    holds: tuple[str, ...] = ()
    steps: tuple[UpgradeStep, ...] = ()
    parts: tuple[UpgradePart, ...] = ()


class DriverOptionView(msgspec.Struct, frozen=True):
    key: str
    form: str
    default: str
    about: str


class DriverView(msgspec.Struct, frozen=True):
    """``can``: of ``clones`` (clone-from), ``grows`` (`reberth grow`), ``snapshots`` (also in use)."""

    name: str
    can: tuple[str, ...] = ()
    options: tuple[DriverOptionView, ...] = ()  # of a volume, that it alone has


class SnapshotView(msgspec.Struct, frozen=True):
    """``state``: wanted, there, failed or leaving. ``at``: when its making began, or, until then, it was ordered."""

    volume: str
    name: str
    state: str
    at: float
    size_bytes: int
    disk: str = ""
    why: str = ""
    restoring: bool = False
    scheduled: bool = False  # made by the volume's schedule, which may delete it again


class SnapshotsView(msgspec.Struct, frozen=True):
    """By volume, the oldest first."""

    snapshots: tuple[SnapshotView, ...] = ()


class PausedView(msgspec.Struct, frozen=True):
    """``kind``: volume or node. A node's ``name`` is its hostname."""

    kind: str
    name: str
    reason: str


class RoomView(msgspec.Struct, frozen=True):
    """A place where disks are made, in bytes. ``scarce``: soon no room is left."""

    name: str
    free_bytes: int
    size_bytes: int
    scarce: bool


class StatusView(msgspec.Struct, frozen=True):
    """The acting controller's view of all volumes."""

    epoch: int
    holder: str
    paused: str | None
    looked_at: float
    volumes: tuple[VolumeLine, ...] = ()
    nodes: tuple[NodeLine, ...] = ()
    unread: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()  # services whose failover could be quicker, one sentence each
    version: str = ""  # of the controller
    paused_parts: tuple[PausedView, ...] = ()
    rooms: tuple[RoomView, ...] = ()  # where the storage tells it; of the last inspection
    quotas: tuple[QuotaUse, ...] = ()


class MoveView(msgspec.Struct, frozen=True):
    """
    One move of one volume to another node. ``at``: unix seconds of its first word; ``seconds``: from there to each
    phase that was reached, the last one (mounted) where it ended. ``why``: what was said of the evidence, and whose
    word it is. ``planned``: the old gate was asked and let go.
    """

    volume: str
    at: float
    source: str
    target: str
    evidence: EvidenceKind | None
    why: str
    planned: bool
    seconds: Mapping[str, float]
    total: float | None = None


class MovesView(msgspec.Struct, frozen=True):
    """The newest first. A volume's record keeps its last 20 entries, some three moves."""

    moves: tuple[MoveView, ...] = ()


class PlanStep(msgspec.Struct, frozen=True):
    """``at``: seconds of waiting before it; what operations themselves take is not in it."""

    at: float
    action: str
    why: str


class VolumePlan(msgspec.Struct, frozen=True):
    """``state``, ``why`` and ``cure``: where it ends, as `Explanation` says it; ``node``: where its disk is then."""

    volume: str
    node: str
    state: str
    why: str
    cure: str
    steps: tuple[PlanStep, ...] = ()


class PlanView(msgspec.Struct, frozen=True):
    """``about``: one sentence on what was supposed. Nothing was done."""

    about: str
    volumes: tuple[VolumePlan, ...] = ()

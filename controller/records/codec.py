"""
Records <-> the text kept in Swarm Configs. Pure.

Each record is one Config. Its data, which Swarm never changes, says what the record is about; the label
``reberth.state`` holds all that changes. Both are JSON with a ``schema`` number: a controller that meets a number or
a field that it does not know refuses to read the record, and so never overwrites it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeVar

import msgspec

from controller.json_errors import NOT_JSON
from controller.model import (
    BootId,
    Confirmation,
    DiskId,
    FencePolicy,
    Grant,
    Handout,
    HistoryEntry,
    Intent,
    NodeId,
    Phase,
    Schedule,
    Serial,
    Snapshots,
    Source,
    Spec,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.names import VOLUME_CONFIG
from controller.records.base import NodeRecord, UnreadableRecord, bounded

SCHEMA = 1
KIND_LABEL, STATE_LABEL = "reberth.kind", "reberth.state"
_ACCESS: dict[bool, Literal["read-only"] | msgspec.UnsetType] = {True: "read-only", False: msgspec.UNSET}


class Kind(Enum):
    VOLUME = "volume"
    NODE = "node"
    CONFIRMATION = "confirmation"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Stored:
    """One Config as Swarm keeps it. ``version`` is the token of compare-and-set."""

    id: str
    name: str
    facts: bytes
    state: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Content:
    facts: bytes  # written once
    state: bytes


class _Schema(msgspec.Struct, frozen=True):
    schema: int


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int = SCHEMA


class _Spec(msgspec.Struct, frozen=True):
    size_bytes: int
    fstype: str = "ext4"
    policy: FencePolicy | None = None


class _VolumeFacts(Record, frozen=True, kw_only=True):
    """
    ``access`` is written for read-only volumes: an older controller would have them mounted writable.
    ``source`` is written for copies only, and here: a controller that knows no copies must not read the record of one
    as that of an empty volume, and reads all others. ``handout`` and ``labels`` are written where they were said.
    """

    name: VolumeName
    key: VolumeKey
    spec: _Spec
    fs_uuid: str
    source: Source | msgspec.UnsetType = msgspec.UNSET
    handout: Handout | msgspec.UnsetType = msgspec.UNSET
    labels: tuple[tuple[str, str], ...] | msgspec.UnsetType = msgspec.UNSET
    for_driver: tuple[tuple[str, str], ...] | msgspec.UnsetType = msgspec.UNSET
    access: Literal["read-only"] | msgspec.UnsetType = msgspec.UNSET
    snapshot: str | msgspec.UnsetType = msgspec.UNSET


class _VolumeState(Record, frozen=True, kw_only=True):
    """
    ``delete_at`` and ``snapshots`` are written only where they are set: a controller that knows of no grace must not
    delete that disk, and one that knows of no snapshots must not forget them.
    So are ``schedule`` and ``scheduled_at``: one that knows of none would make none.
    ``grown_to``: the size, where it is not that of the facts any more, which are those of its making.
    """

    phase: Phase
    disk: DiskId | None
    formatted: bool
    serial: Serial
    grants: tuple[Grant, ...]
    intent: Intent | None
    service: str = ""
    history: tuple[HistoryEntry, ...]
    place: VmId | msgspec.UnsetType = msgspec.UNSET
    delete_at: float | msgspec.UnsetType = msgspec.UNSET
    grown_to: int | msgspec.UnsetType = msgspec.UNSET
    snapshots: Snapshots | msgspec.UnsetType = msgspec.UNSET
    schedule: Schedule | msgspec.UnsetType = msgspec.UNSET
    scheduled_at: float | msgspec.UnsetType = msgspec.UNSET


class _NodeFacts(Record, frozen=True, kw_only=True):
    node: NodeId


class _NodeState(Record, frozen=True, kw_only=True):
    vm: VmId
    boot: BootId
    hostname: str


class _ConfirmationState(Record, frozen=True, kw_only=True):
    vm: VmId
    boot: BootId | None
    reason: str
    by: str
    at: float


T = TypeVar("T")
_F = TypeVar("_F", bound=Record)
_R = TypeVar("_R", bound=Record)


def volume_config(key: VolumeKey) -> str:
    return f"{VOLUME_CONFIG}{key}"


def key_of(config: str) -> VolumeKey:
    """The key in the name of a volume's config, also when nothing in it can be read."""
    return VolumeKey(config.removeprefix(volume_config(VolumeKey(""))))


def node_config(node: NodeId) -> str:
    return f"reberth.node.{node}"


def confirmation_config(node: NodeId) -> str:
    return f"reberth.confirmation.{node}"


def volume_content(record: VolumeRecord) -> Content:
    facts = _VolumeFacts(
        name=record.name,
        key=record.key,
        spec=_Spec(record.spec.made_bytes, record.spec.fstype, record.spec.policy),
        fs_uuid=record.fs_uuid,
        source=record.spec.source or msgspec.UNSET,
        handout=msgspec.UNSET if record.spec.handout == Handout() else record.spec.handout,
        labels=record.spec.labels or msgspec.UNSET,
        for_driver=record.spec.for_driver or msgspec.UNSET,
        access=_ACCESS[record.spec.read_only],
        snapshot=record.spec.from_snapshot or msgspec.UNSET,
    )
    state = _VolumeState(
        phase=record.phase,
        disk=record.disk,
        formatted=record.formatted,
        serial=record.serial,
        grants=record.grants,
        intent=record.intent,
        service=record.service,
        place=_some(record.place),
        history=bounded(record).history,
        delete_at=_some(record.delete_at),
        grown_to=msgspec.UNSET if record.spec.first_bytes is None else record.spec.size_bytes,
        snapshots=record.snapshots or msgspec.UNSET,
        schedule=_some(record.spec.schedule),
        scheduled_at=record.scheduled_at or msgspec.UNSET,
    )
    return content(facts, state)


def decode_volume(stored: Stored) -> VolumeRecord:
    """Raises UnreadableRecord."""
    facts, state = decode(stored, _VolumeFacts, _VolumeState)
    made = Spec(
        facts.spec.size_bytes,
        facts.spec.fstype,
        facts.spec.policy,
        known(facts.source, None),
        known(facts.handout, Handout()),
        labels=known(facts.labels, ()),
        for_driver=known(facts.for_driver, ()),
        read_only=not isinstance(facts.access, msgspec.UnsetType),
        from_snapshot=known(facts.snapshot, ""),
        schedule=known(state.schedule, None),
    )
    return VolumeRecord(
        name=facts.name,
        key=facts.key,
        spec=made if isinstance(state.grown_to, msgspec.UnsetType) else made.grown(state.grown_to),
        fs_uuid=facts.fs_uuid,
        phase=state.phase,
        disk=state.disk,
        formatted=state.formatted,
        serial=state.serial,
        grants=state.grants,
        intent=state.intent,
        service=state.service,
        place=known(state.place, None),
        history=state.history,
        delete_at=known(state.delete_at, None),
        snapshots=known(state.snapshots, Snapshots()),
        scheduled_at=known(state.scheduled_at, 0.0),
        version=stored.version,
    )


def node_content(record: NodeRecord) -> Content:
    return content(_NodeFacts(node=record.node), _NodeState(vm=record.vm, boot=record.boot, hostname=record.hostname))


def decode_node(stored: Stored) -> NodeRecord:
    """Raises UnreadableRecord."""
    facts, state = decode(stored, _NodeFacts, _NodeState)
    return NodeRecord(facts.node, state.vm, state.boot, state.hostname, stored.version)


def confirmation_content(said: Confirmation) -> Content:
    state = _ConfirmationState(vm=said.vm, boot=said.boot, reason=said.reason, by=said.by, at=said.at)
    return content(_NodeFacts(node=said.node), state)


def decode_confirmation(stored: Stored) -> Confirmation:
    """Raises UnreadableRecord."""
    facts, state = decode(stored, _NodeFacts, _ConfirmationState)
    return Confirmation(facts.node, state.vm, state.boot, state.reason, state.by, state.at)


def _some(value: T | None) -> T | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def known(value: T | msgspec.UnsetType, default: T) -> T:
    return default if isinstance(value, msgspec.UnsetType) else value


def content(facts: Record, state: Record) -> Content:
    return Content(msgspec.json.encode(facts), msgspec.json.encode(state))


def decode(stored: Stored, facts: type[_F], state: type[_R]) -> tuple[_F, _R]:
    return _part(stored, stored.facts, facts), _part(stored, stored.state, state)


def _part(stored: Stored, text: bytes, form: type[_R]) -> _R:
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise UnreadableRecord(
                f"config {stored.name} has schema {schema}, this controller knows {SCHEMA}: "
                "run the version of Reberth that wrote it on all managers"
            )
        return msgspec.json.decode(text, type=form)
    except NOT_JSON as error:
        raise UnreadableRecord(
            f"config {stored.name} is not a record that this controller can read ({error}): it was written by another "
            "version or by hand; run that version, or restore the config"
        ) from error

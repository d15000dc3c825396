"""
Records on a dict: what `swarm_records` does on Swarm's Raft, with faults that can be asked for.

For simulations and tests; it passes the same conformance suite. Several `MemoryRecords` on one `MemoryStore` are
several controllers on one swarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from controller.model import Confirmation, NodeId, VolumeName, VolumeRecord
from controller.records.base import Leadership, NodeRecord, RecordsUnavailable, Stale, VolumeRecords, bounded
from controller.volumes.naming import volume_key


class Call(Enum):
    VOLUMES = "volumes"
    KEEP = "keep"
    CREATE_VOLUME = "create_volume"
    REPLACE_VOLUME = "replace_volume"
    DELETE_VOLUME = "delete_volume"
    NODES = "nodes"
    PUT_NODE = "put_node"
    DELETE_NODE = "delete_node"
    CONFIRMATIONS = "confirmations"
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"
    LEADERSHIP = "leadership"
    REPLACE_LEADERSHIP = "replace_leadership"


class Fault(Enum):
    LOST_BEFORE = "lost before"  # never arrived; the caller cannot know
    LOST_AFTER = "lost after"  # done, and the answer lost; the caller cannot know
    STALE = "stale"  # somebody else wrote just before; only for writes that compare


@dataclass(slots=True)
class MemoryStore:
    """What a swarm keeps. ``index`` grows with each write, like Raft's: no version is ever used twice."""

    index: int = 0
    volumes: dict[VolumeName, VolumeRecord] = field(default_factory=dict)
    nodes: dict[NodeId, NodeRecord] = field(default_factory=dict)
    confirmations: dict[NodeId, Confirmation] = field(default_factory=dict)
    leadership: Leadership | None = None
    unreadable: dict[VolumeName, str] = field(default_factory=dict)  # records that no controller can decode, and why

    def next(self) -> int:
        self.index += 1
        return self.index


class MemoryRecords:
    """One controller's way to the store. While ``reachable`` is False every call fails, as without a quorum."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self.reachable = True
        self.calls: list[Call] = []
        self._faults: list[tuple[Call, Fault]] = []
        self._shown: dict[VolumeName, VolumeRecord] = {}  # as on a swarm: unchanged is the very same

    def fail(self, call: Call, fault: Fault) -> None:
        """The next such call meets this fault; several are met in the order in which they were asked for."""
        self._faults.append((call, fault))

    async def volumes(self) -> VolumeRecords:
        self._finish(self._begin(Call.VOLUMES))
        unreadable = {volume_key(name): why for name, why in self.store.unreadable.items()}
        readable = {name: each for name, each in self.store.volumes.items() if name not in self.store.unreadable}
        if self._shown != readable:
            self._shown = readable
        return VolumeRecords(self._shown, unreadable)

    async def keep(self) -> None:
        self._finish(self._begin(Call.KEEP))

    async def create_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        fault = self._begin(Call.CREATE_VOLUME)
        if fault is Fault.STALE or record.name in self.store.volumes:
            return Stale(f"a record of volume {record.name} exists already")
        return self._write_volume(record, fault)

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        fault = self._begin(Call.REPLACE_VOLUME)
        found = self.store.volumes.get(record.name)
        if found is not None and fault is Fault.STALE:
            found = self.store.volumes[record.name] = replace(found, version=self.store.next())
        if found is None or found.version != record.version:
            return Stale(f"the record of volume {record.name} was changed or removed by another controller")
        if _immutable(found) != _immutable(record):
            raise ValueError(f"name, key, spec and fs_uuid of volume {record.name} never change")
        return self._write_volume(record, fault)

    async def delete_volume(self, record: VolumeRecord) -> None:
        fault = self._begin(Call.DELETE_VOLUME)
        found = self.store.volumes.get(record.name)
        if found is not None and found.version == record.version:
            del self.store.volumes[record.name]
        self._finish(fault)

    async def nodes(self) -> Mapping[NodeId, NodeRecord]:
        self._finish(self._begin(Call.NODES))
        return dict(self.store.nodes)

    async def put_node(self, record: NodeRecord) -> NodeRecord | Stale:
        fault = self._begin(Call.PUT_NODE)
        found = self.store.nodes.get(record.node)
        if fault is Fault.STALE or (found.version if found else 0) != record.version:
            return Stale(f"the record of node {record.node} was changed by another controller")
        written = self.store.nodes[record.node] = replace(record, version=self.store.next())
        self._finish(fault)
        return written

    async def delete_node(self, node: NodeId) -> None:
        fault = self._begin(Call.DELETE_NODE)
        self.store.nodes.pop(node, None)
        self._finish(fault)

    async def confirmations(self) -> tuple[Confirmation, ...]:
        self._finish(self._begin(Call.CONFIRMATIONS))
        return tuple(self.store.confirmations.values())

    async def confirm(self, confirmation: Confirmation) -> None:
        fault = self._begin(Call.CONFIRM)
        self.store.confirmations[confirmation.node] = confirmation
        self._finish(fault)

    async def withdraw(self, node: NodeId) -> None:
        fault = self._begin(Call.WITHDRAW)
        self.store.confirmations.pop(node, None)
        self._finish(fault)

    async def leadership(self) -> Leadership | None:
        self._finish(self._begin(Call.LEADERSHIP))
        return self.store.leadership

    async def replace_leadership(self, leadership: Leadership) -> Leadership | Stale:
        fault = self._begin(Call.REPLACE_LEADERSHIP)
        found = self.store.leadership
        if fault is Fault.STALE or (found.version if found else 0) != leadership.version:
            return Stale("another controller wrote who acts")
        written = self.store.leadership = replace(leadership, version=self.store.next())
        self._finish(fault)
        return written

    def _write_volume(self, record: VolumeRecord, fault: Fault | None) -> VolumeRecord:
        written = self.store.volumes[record.name] = replace(bounded(record), version=self.store.next())
        self._finish(fault)
        return written

    def _begin(self, call: Call) -> Fault | None:
        self.calls.append(call)
        fault = next((fault for wanted, fault in self._faults if wanted is call), None)
        if fault is not None:
            self._faults.remove((call, fault))
        if fault is Fault.LOST_BEFORE or not self.reachable:
            raise RecordsUnavailable(f"{call.value}: no answer from the swarm (asked for by the test)")
        return fault

    def _finish(self, fault: Fault | None) -> None:
        if fault is Fault.LOST_AFTER:
            raise RecordsUnavailable("the answer was lost (asked for by the test)")


def _immutable(record: VolumeRecord) -> tuple[object, ...]:
    return record.name, record.key, record.spec.as_made, record.fs_uuid

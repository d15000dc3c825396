"""
The records: what cannot be observed and so is stored. Protocol only; `swarm_records` keeps them in Swarm Configs.

Every write is a compare-and-set. A write that finds another version is `Stale`: read again and decide again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from controller.model import BootId, Confirmation, Epoch, NodeId, VmId, VolumeName, VolumeRecord

HISTORY_LIMIT = 20  # entries kept for each volume: a few failovers, and small enough for a Swarm Config's labels


class RecordsUnavailable(Exception):
    """The records could not be read or written (no quorum, Docker does not answer), or a write is in doubt."""


class SwarmUnread(Exception):
    """Swarm's nodes, services or tasks could not be read: no quorum, no leader, or Docker does not answer."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody else wrote first (or made, or removed it). Nothing was written."""

    why: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """Which VM a node is, as its node service said under the node's own certificate."""

    node: NodeId
    vm: VmId
    boot: BootId
    hostname: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Leadership:
    """
    Who acts. ``beat`` grows with each sign of life; its reader measures with its own clock how long it stood still.

    ``paused`` is a person's reason to do nothing for now. ``address`` is where gates reach the acting controller.
    """

    epoch: Epoch
    holder: NodeId
    address: str
    beat: int = 0
    paused: str | None = None
    version: int = 0


def bounded(record: VolumeRecord) -> VolumeRecord:
    """The record with the newest entries of its history; every store keeps only those."""
    return replace(record, history=record.history[-HISTORY_LIMIT:])


class Records(Protocol):
    async def volumes(self) -> Mapping[VolumeName, VolumeRecord]: ...

    async def create_volume(self, record: VolumeRecord) -> VolumeRecord | Stale: ...

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        """Write the mutable part if ``record.version`` is still the newest; name, key, spec, fs_uuid never change."""
        ...

    async def delete_volume(self, record: VolumeRecord) -> None: ...

    async def nodes(self) -> Mapping[NodeId, NodeRecord]: ...

    async def put_node(self, record: NodeRecord) -> NodeRecord | Stale: ...

    async def delete_node(self, node: NodeId) -> None: ...

    async def confirmations(self) -> tuple[Confirmation, ...]: ...

    async def confirm(self, confirmation: Confirmation) -> None: ...

    async def withdraw(self, node: NodeId) -> None:
        """Forget a person's confirmation, because the node lives again."""
        ...

    async def leadership(self) -> Leadership | None: ...

    async def replace_leadership(self, leadership: Leadership) -> Leadership | Stale:
        """Create (version 0) or compare-and-set."""
        ...

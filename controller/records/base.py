"""
The records: what cannot be observed and so is stored, and who may write it. Protocols only; `swarm` keeps them in
Swarm Configs, `leader_election` says who acts.

Every write is a compare-and-set. A write that finds another version is `Stale`: read again and decide again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from controller.model import (
    BootId,
    Confirmation,
    Epoch,
    NodeId,
    PausedPart,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.volumes.naming import volume_key

HISTORY_LIMIT = 20  # entries kept for each volume: a few failovers, and small enough for a Swarm Config's labels


class RecordsUnavailable(Exception):
    """The records could not be read or written (no quorum, Docker does not answer), or a write is in doubt."""


class UnreadableRecord(RecordsUnavailable):
    """A record of an unknown form. Nothing is decided about what it tells of, and the record stays as it is."""


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

    ``paused`` is a person's reason to do nothing for now, ``paused_parts`` what is paused alone. ``address`` is where
    gates reach the acting controller.
    """

    epoch: Epoch
    holder: NodeId
    address: str
    beat: int = 0
    paused: str | None = None
    version: int = 0
    paused_parts: tuple[PausedPart, ...] = ()


PartsChange = Callable[[tuple[PausedPart, ...]], tuple[PausedPart, ...]]


class VolumeRecords(Mapping[VolumeName, VolumeRecord]):
    """
    The records by name. A name whose record is there and cannot be read is not one without a record: asking for it
    raises UnreadableRecord. ``readable`` has the others; ``unreadable``: why, by the key that follows from the name.
    """

    def __init__(
        self, readable: Mapping[VolumeName, VolumeRecord], unreadable: Mapping[VolumeKey, str] | None = None
    ) -> None:
        self.readable = readable
        self.unreadable = unreadable or {}

    def __getitem__(self, name: VolumeName) -> VolumeRecord:
        why = self.unreadable.get(volume_key(name)) if self.unreadable else None
        if why is not None:
            raise UnreadableRecord(why)
        return self.readable[name]

    def __iter__(self) -> Iterator[VolumeName]:
        return iter(self.readable)

    def __len__(self) -> int:
        return len(self.readable)

    def disks(self) -> int:
        """How many disks they speak of; one that cannot be read may, too."""
        return sum(record.disk is not None for record in self.readable.values()) + len(self.unreadable)


class Acting(Protocol):
    """Whether this controller acts, as seen by whoever depends on it."""

    @property
    def epoch(self) -> Epoch | None:
        """The epoch under which this controller acts; None when it does not."""
        ...

    @property
    def paused(self) -> str | None:
        """A person's reason to do nothing for now."""
        ...

    @property
    def paused_parts(self) -> tuple[PausedPart, ...]:
        """What a person has paused beside the rest."""
        ...

    @property
    def acting_address(self) -> str | None:
        """host:port of the controller that acts, as far as known here; may be our own."""
        ...

    async def still_acting(self, epoch: Epoch) -> bool:
        """Read afresh from Swarm's Raft. Raises RecordsUnavailable."""
        ...

    async def new_epoch(self, above: Epoch | None = None) -> bool:
        """
        Take the next epoch although we act, or the next one ``above`` another. False when somebody else acts by now.

        Raises RecordsUnavailable.
        """
        ...

    async def pause(self, reason: str | None) -> bool:
        """Write a person's reason to do nothing, or None to go on. False when we do not act by now."""
        ...

    async def pause_parts(self, change: PartsChange) -> bool:
        """Write what is paused alone, by a change of what is there. False when we do not act by now."""
        ...


def bounded(record: VolumeRecord) -> VolumeRecord:
    """The record with the newest entries of its history; every store keeps only those."""
    return replace(record, history=record.history[-HISTORY_LIMIT:])


class Records(Protocol):
    async def volumes(self) -> VolumeRecords: ...

    async def keep(self) -> None:
        """See that nobody removes a record by sweeping up what seems unused."""
        ...

    async def create_volume(self, record: VolumeRecord) -> VolumeRecord | Stale: ...

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        """
        Write the mutable part if ``record.version`` is still the newest. Name, key, fs_uuid and the spec as it was made
        never change.
        """
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

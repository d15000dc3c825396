"""
Records in Swarm Configs: Swarm's Raft is the only store.

One config a record; see `codec` for what is in it, `configs` for how it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import aiodocker
import msgspec
import structlog

from controller.model import Confirmation, Epoch, NodeId, PausedPart, VolumeKey, VolumeRecord
from controller.names import LEADER_CONFIG
from controller.records import codec
from controller.records.base import Leadership, NodeRecord, RecordsUnavailable, Stale, UnreadableRecord, VolumeRecords
from controller.records.codec import Kind, Stored
from controller.records.configs import DEADLINE, Configs
from controller.unchanged import Once

LARGEST = 2**62  # of serials and epochs; what is sent to gates is bounded not far above

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class _LeaderState(codec.Record, frozen=True, kw_only=True):
    """``paused_parts`` is written only where there are some: a controller that knows of none must not act on them."""

    epoch: Epoch
    holder: NodeId
    address: str
    beat: int
    paused: str | None
    paused_parts: tuple[PausedPart, ...] | msgspec.UnsetType = msgspec.UNSET


class SwarmRecords:
    """`Records` through the Docker socket of any manager. ``docker`` stays the caller's to close."""

    def __init__(self, docker: aiodocker.Docker, deadline: float = DEADLINE) -> None:
        self._configs = Configs(docker, deadline)
        self._told: set[tuple[str, int]] = set()
        self._decoded: dict[str, VolumeRecord] = {}  # by config ID: most volumes do not change between two looks
        self._volumes, self._nodes = Once(self._read_volumes), Once(self._read_nodes)

    async def volumes(self) -> VolumeRecords:
        return self._volumes(await self._configs.list(Kind.VOLUME))

    def _read_volumes(self, configs: tuple[Stored, ...]) -> VolumeRecords:
        """One that cannot be read holds only its own volume."""
        decoded: dict[str, VolumeRecord] = {}
        unreadable: dict[VolumeKey, str] = {}
        for config in configs:
            try:
                decoded[config.id] = self._decode(config)
            except UnreadableRecord as error:
                unreadable[codec.key_of(config.name)] = str(error)
        self._decoded = decoded
        return VolumeRecords({record.name: record for record in decoded.values()}, unreadable)

    async def keep(self) -> None:
        await self._configs.keep()

    async def create_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        return await self._put_volume(record, 0)

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        return await self._put_volume(record, record.version)

    async def delete_volume(self, record: VolumeRecord) -> None:
        await self._configs.remove(codec.volume_config(record.key), record.version)

    async def nodes(self) -> Mapping[NodeId, NodeRecord]:
        return self._nodes(await self._configs.list(Kind.NODE))

    def _read_nodes(self, configs: tuple[Stored, ...]) -> Mapping[NodeId, NodeRecord]:
        return {record.node: record for record in self._readable(configs, codec.decode_node)}

    async def put_node(self, record: NodeRecord) -> NodeRecord | Stale:
        name = codec.node_config(record.node)
        stored = await self._configs.put(name, Kind.NODE, codec.node_content(record), record.version)
        return stored if isinstance(stored, Stale) else codec.decode_node(stored)

    async def delete_node(self, node: NodeId) -> None:
        await self._configs.remove(codec.node_config(node), None)

    async def confirmations(self) -> tuple[Confirmation, ...]:
        return tuple(self._readable(await self._configs.list(Kind.CONFIRMATION), codec.decode_confirmation))

    async def confirm(self, confirmation: Confirmation) -> None:
        name = codec.confirmation_config(confirmation.node)
        earlier = await self._configs.find(name)
        if earlier is not None:
            codec.decode_confirmation(earlier)  # refuses to overwrite what a newer version wrote
        version = earlier.version if earlier is not None else 0
        stored = await self._configs.put(name, Kind.CONFIRMATION, codec.confirmation_content(confirmation), version)
        if isinstance(stored, Stale):
            raise RecordsUnavailable(
                f"somebody else confirmed node {confirmation.node} at the same moment: look and repeat"
            )

    async def withdraw(self, node: NodeId) -> None:
        await self._configs.remove(codec.confirmation_config(node), None)

    async def leadership(self) -> Leadership | None:
        stored = await self._configs.find(LEADER_CONFIG)
        return None if stored is None else decode_leader(stored)

    async def replace_leadership(self, leadership: Leadership) -> Leadership | Stale:
        content = leader_content(leadership)
        stored = await self._configs.put(LEADER_CONFIG, Kind.LEADER, content, leadership.version)
        return stored if isinstance(stored, Stale) else decode_leader(stored)

    def _readable(self, configs: Iterable[Stored], decode: Callable[[Stored], T]) -> Iterator[T]:
        """Without its record nothing is granted to a node; without a confirmation none is said to be dead."""
        for config in configs:
            try:
                yield decode(config)
            except UnreadableRecord as error:
                if (config.id, config.version) not in self._told:
                    _log.error("record.unreadable", config=config.name, why=str(error))
                self._told.add((config.id, config.version))

    async def _put_volume(self, record: VolumeRecord, version: int) -> VolumeRecord | Stale:
        name, content = codec.volume_config(record.key), codec.volume_content(record)
        stored = await self._configs.put(name, Kind.VOLUME, content, version)
        return stored if isinstance(stored, Stale) else codec.decode_volume(stored)

    def _decode(self, stored: Stored) -> VolumeRecord:
        known = self._decoded.get(stored.id)
        return known if known is not None and known.version == stored.version else _own(stored)


def _own(stored: Stored) -> VolumeRecord:
    """Raises UnreadableRecord also for what was copied or changed by hand: it would harm more than its own volume."""
    record = codec.decode_volume(stored)
    if codec.volume_config(record.key) != stored.name:
        raise UnreadableRecord(
            f"config {stored.name} holds the record of volume {record.name}, whose config is "
            f"{codec.volume_config(record.key)}: somebody copied it; remove the copy"
        )
    epochs = (each.epoch for each in (*record.grants, record.intent) if each is not None)
    if not all(0 <= each <= LARGEST for each in (record.serial, *(each.serial for each in record.grants), *epochs)):
        raise UnreadableRecord(
            f"config {stored.name} has numbers that no controller wrote: it was changed by hand; restore the config"
        )
    return record


def leader_content(leadership: Leadership) -> codec.Content:
    state = _LeaderState(
        epoch=leadership.epoch,
        holder=leadership.holder,
        address=leadership.address,
        beat=leadership.beat,
        paused=leadership.paused,
        paused_parts=leadership.paused_parts or msgspec.UNSET,
    )
    return codec.content(codec.Record(), state)


def decode_leader(stored: Stored) -> Leadership:
    _, state = codec.decode(stored, codec.Record, _LeaderState)
    parts = codec.known(state.paused_parts, ())
    return Leadership(state.epoch, state.holder, state.address, state.beat, state.paused, stored.version, parts)

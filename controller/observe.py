"""
One look at everything a decision may know: Swarm, the records, the storage, the gates -> World.

A part that could not be read is None, with a sentence in ``unread``; nothing is remembered from an earlier look except
since when a node is not ready. Order matters: the volume records are read first (see `World`), power last, because
which VMs are asked for follows from the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from controller.gates import Gates
from controller.model import (
    Attachment,
    Claim,
    Epoch,
    GateView,
    Node,
    NodeId,
    NodeState,
    Power,
    Spec,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.records import NodeRecord, Records, RecordsUnavailable, SwarmUnread
from drivers.base import DriverError, StorageDriver

T = TypeVar("T")


class SwarmView(Protocol):
    """Swarm's state of one moment. Nodes come without VM, boot and ``down_for``."""

    @property
    def nodes(self) -> Mapping[NodeId, Node]: ...

    def claims(self, specs: Mapping[VolumeName, Spec], holders: Mapping[VolumeName, str]) -> Mapping[VolumeName, Claim]:
        """Who wants which volume; ``specs`` and ``holders`` (services that had the newest grant) are the records'."""
        ...


class SwarmSource(Protocol):
    async def snapshot(self) -> SwarmView:
        """Raises SwarmUnread."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a look goes. ``no_driver``: why there is no storage, when ``driver`` is None."""

    swarm: SwarmSource
    records: Records
    driver: StorageDriver | None
    gates: Gates
    no_driver: str = "no storage is configured"


class Observer:
    def __init__(self, sources: Sources, clock: Callable[[], float], deadline: float, gate_fresh: float) -> None:
        self._from = sources
        self._clock = clock
        self._deadline = deadline
        self._gate_fresh = gate_fresh
        self._not_ready_since: dict[NodeId, float] = {}

    async def look(self, epoch: Epoch, paused: str | None = None) -> World:
        reading = _Reading(self._deadline)
        records = self._from.records
        volumes = await reading.read("the volume records", records.volumes())
        async with asyncio.TaskGroup() as group:
            swarm = group.create_task(reading.read("Swarm's nodes and tasks", self._from.swarm.snapshot()))
            reports = group.create_task(reading.read("the node records", records.nodes()))
            confirmed = group.create_task(reading.read("the confirmations", records.confirmations()))
            listed = group.create_task(self._attachments(reading))
        seen, known = swarm.result(), reports.result()
        nodes = None if seen is None or known is None else self._join(seen.nodes, known)
        gates = self._from.gates.views()
        attachments = listed.result()
        holders = {each.vm for each in attachments or ()} | _granted(volumes)
        power = await self._power(reading, nodes, holders, gates)
        departed = _departed(nodes, known, volumes, attachments)
        claims = None
        if seen is not None and volumes is not None:
            specs = {name: record.spec for name, record in volumes.items()}
            claims = seen.claims(specs, {name: record.service for name, record in volumes.items()})
        return World(
            epoch=epoch,
            nodes=nodes,
            claims=claims,
            volumes=volumes,
            attachments=attachments,
            power=power,
            gates=gates,
            confirmations=confirmed.result() or (),
            paused=paused,
            unread=tuple(reading.unread),
            departed=departed,
        )

    async def _attachments(self, reading: _Reading) -> tuple[Attachment, ...] | None:
        if self._from.driver is None:
            reading.unread.append(self._from.no_driver)
            return None
        listed = await reading.read("the storage's attachments", self._from.driver.list_attachments())
        return None if listed is None else tuple(listed)

    async def _power(
        self,
        reading: _Reading,
        nodes: Mapping[NodeId, Node] | None,
        holders: AbstractSet[VmId],
        gates: Mapping[VmId, GateView],
    ) -> Mapping[VmId, Power] | None:
        """Of every VM that gives reason to ask: all of them would be a burden on the hypervisor for nothing."""
        if self._from.driver is None or nodes is None:
            return None
        lost = {node.vm for node in nodes.values() if node.vm is not None and node.state is not NodeState.READY}
        silent = {vm for vm in holders if vm not in gates or gates[vm].age > self._gate_fresh}
        asked = sorted(lost | silent)
        if not asked:
            return {}
        return await reading.read("the VMs' power states", self._from.driver.power(asked))

    def _join(self, nodes: Mapping[NodeId, Node], known: Mapping[NodeId, NodeRecord]) -> Mapping[NodeId, Node]:
        now = self._clock()
        down = {name for name, node in nodes.items() if node.state is not NodeState.READY}
        self._not_ready_since = {name: self._not_ready_since.get(name, now) for name in down}
        return {name: self._with_vm(node, known.get(name), now) for name, node in nodes.items()}

    def _with_vm(self, node: Node, known: NodeRecord | None, now: float) -> Node:
        since = self._not_ready_since.get(node.id)
        down_for = None if since is None else now - since
        if known is None:
            return replace(node, vm=None, boot=None, down_for=down_for)
        return replace(node, vm=known.vm, boot=known.boot, down_for=down_for)


def _granted(volumes: Mapping[VolumeName, VolumeRecord] | None) -> frozenset[VmId]:
    """VMs with a grant: one whose node left the swarm and whose disk is in no list may still write."""
    return frozenset(grant.vm for record in (volumes or {}).values() for grant in record.grants)


def _departed(
    nodes: Mapping[NodeId, Node] | None,
    known: Mapping[NodeId, NodeRecord] | None,
    volumes: Mapping[VolumeName, VolumeRecord] | None,
    attachments: Sequence[Attachment] | None,
) -> tuple[NodeId, ...]:
    """
    Nodes whose record nothing needs any more. Swarm gives no ID twice, so who is not listed never comes back.

    Only when every list was read; a swarm without nodes is none (the reader itself is one). A record still says which
    VM a node was while a grant or a disk is there: people are told by it.
    """
    if not nodes or known is None or volumes is None or attachments is None:
        return ()
    granted = [grant for record in volumes.values() for grant in record.grants]
    used = {grant.vm for grant in granted} | {each.vm for each in attachments}
    holders = {grant.node for grant in granted}
    return tuple(
        sorted(
            name
            for name, record in known.items()
            if name not in nodes and name not in holders and record.vm not in used
        )
    )


class _Reading:
    """Bounded reads that turn "could not be read" into None and a sentence."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.unread: list[str] = []

    async def read(self, what: str, answer: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(self._deadline):
                return await answer
        except TimeoutError:
            self.unread.append(f"{what} could not be read: no answer within {self._deadline:g} s")
        except (RecordsUnavailable, DriverError, SwarmUnread) as error:
            self.unread.append(f"{what} could not be read: {error}")
        return None

"""
One look at everything a decision may know: Swarm, the records, the storage, the gates -> World.

A part that could not be read is None, with a sentence in ``unread``; nothing is remembered from an earlier look except
since when a node is not ready, and a VM off. Order matters: the volume records are read first (see `World`), power
last, because which VMs are asked for follows from the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from operator import is_
from typing import TypeVar

import structlog

from controller.model import (
    Attachment,
    Claim,
    DiskId,
    Epoch,
    Node,
    NodeId,
    NodeState,
    PausedPart,
    Power,
    Spec,
    TaskId,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.reconciler.gate_reports import GateReports
from controller.reconciler.nodes.awaited import Awaited
from controller.reconciler.nodes.clocks import kept
from controller.reconciler.nodes.departed import departed, granted
from controller.reconciler.nodes.power_readings import PowerJudge, Readings, of_one_moment
from controller.reconciler.nodes.suspects import PACE, Suspects
from controller.records.base import NodeRecord, Records, RecordsUnavailable, VolumeRecords
from controller.records.epochs import absurd
from controller.records.vanished import vanished
from drivers.base import DriverError, PowerDriver, StorageDriver
from drivers.owners import Home
from watchers.base import SwarmSource, SwarmUnread

_log = structlog.get_logger(__name__)

T = TypeVar("T")

_Asked = tuple[Mapping[VolumeName, Spec], Mapping[VolumeName, str]]
_Follows = tuple[frozenset[VmId], tuple[NodeId, ...]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a look goes. ``no_driver``: why there are no drivers, when they are None."""

    swarm: SwarmSource
    records: Records
    driver: StorageDriver | None
    power: PowerDriver | None
    gates: GateReports
    no_driver: str = "no storage is configured"
    suspects: Suspects | None = None
    home: Home | None = None
    silent: Callable[[], Mapping[NodeId, float]] = dict  # for how many seconds our own detector misses each


class Observer:
    def __init__(
        self,
        sources: Sources,
        clock: Callable[[], float],
        deadline: float,
        gate_fresh: float,
        wall: Callable[[], float | None] = time.time,
    ) -> None:
        self._from = sources
        self._wall = wall
        self._clock = clock
        self._deadline = deadline
        self._gate_fresh = gate_fresh
        self._not_ready_since: dict[NodeId, float] = {}
        self._missed: Mapping[NodeId, float] = {}
        self._running_since: dict[TaskId, float] = {}
        self._unclaimed_since: dict[VmId, float] = {}
        self._awaited = Awaited()
        self._judge = PowerJudge(gate_fresh)
        self._off: frozenset[VmId] = frozenset()  # to be asked for in each look until they are seen on
        self._unlisted: tuple[str, ...] = ()
        self._odd: Mapping[DiskId, str] = {}
        self._listed: tuple[Attachment, ...] = ()
        self._joined: Mapping[NodeId, tuple[Node, NodeRecord | None, Node]] = {}
        self._nodes: Mapping[NodeId, Node] = {}
        self._asked: tuple[object, _Asked] = (None, ({}, {}))
        self._follows: tuple[tuple[object, ...], _Follows] | None = None
        self._with_list: Mapping[VmId, Power] | None = None  # powers in the answer that had the attachments
        self.again: float | None = None  # seconds after which looking again makes sense by itself

    async def look(self, epoch: Epoch, paused: str | None = None, paused_parts: tuple[PausedPart, ...] = ()) -> World:
        reading = _Reading(self._deadline)
        records = self._from.records
        stored = await reading.read("the volume records", records.volumes())
        volumes = None if stored is None else stored.readable
        unreadable = {} if stored is None else stored.unreadable
        async with asyncio.TaskGroup() as group:
            swarm = group.create_task(reading.read("Swarm's nodes and tasks", self._from.swarm.snapshot()))
            reports = group.create_task(reading.read("the node records", records.nodes()))
            confirmed = group.create_task(reading.read("the confirmations", records.confirmations()))
            listed = group.create_task(self._attachments(reading, epoch, stored))
        seen, known = swarm.result(), reports.result()
        nodes = None if seen is None or known is None else self._join(seen.nodes, known)
        attachments = listed.result()
        claims = None if seen is None or volumes is None else seen.claims(*self._asked_of(volumes))
        holders, left = self._follow(nodes, known, volumes, attachments, claims)
        readings = await self._power(reading, nodes, holders)
        world = World(
            epoch=epoch,
            nodes=nodes,
            claims=claims,
            volumes=volumes,
            attachments=attachments,
            power=readings.power,
            gates=readings.gates,
            confirmations=confirmed.result() or (),
            paused=paused,
            paused_parts=paused_parts,
            unread=(*reading.unread, *readings.alarms),
            unlisted=self._unlisted,
            odd=self._odd,
            unreadable=unreadable,
            kept=kept(volumes, self._wall()),
            awaited=self._awaited.of(nodes, self._from.gates.began, self._clock()),
            departed=() if unreadable else left,
            running={} if claims is None else self._running(claims),
            unclaimed=self._unclaimed(nodes, holders),
        )
        return replace(world, unread=(*world.unread, *absurd(world), *vanished(world)))

    def _running(self, claims: Mapping[VolumeName, Claim]) -> Mapping[TaskId, float]:
        now = self._clock()
        started = (task.id for claim in claims.values() for task in claim.tasks if task.started)
        self._running_since = {task: self._running_since.get(task, now) for task in started}
        return {task: now - since for task, since in self._running_since.items()}

    def _unclaimed(self, nodes: Mapping[NodeId, Node] | None, holders: AbstractSet[VmId]) -> Mapping[VmId, float]:
        if nodes is None:
            return {}
        now = self._clock()
        without = holders - {node.vm for node in nodes.values() if node.vm is not None}
        self._unclaimed_since = {vm: self._unclaimed_since.get(vm, now) for vm in without}
        return {vm: now - since for vm, since in self._unclaimed_since.items()}

    async def _attachments(
        self, reading: _Reading, epoch: Epoch, stored: VolumeRecords | None
    ) -> tuple[Attachment, ...] | None:
        """Where some of it could not be read: the rest. A disk that is listed is nowhere else (exclusive_attach)."""
        self._unlisted, self._odd = (), {}
        if self._from.driver is None:
            reading.unread.append(self._from.no_driver)
            return None
        async with asyncio.TaskGroup() as group:
            reads = reading.read("the storage's attachments", self._from.driver.list_attachments())
            listing, allowed = group.create_task(reads), group.create_task(self._may_use(reading, epoch, stored))
        listed = listing.result() if allowed.result() else None
        powers: object = self._from.power  # where they come from elsewhere, the storage's word on them is not asked for
        self._with_list = listed.power if listed is not None and powers is self._from.driver else None
        if listed is None:
            return None
        self._unlisted, self._odd = tuple(listed.unread), dict(listed.odd)
        reading.unread.extend(listed.unread)
        self._listed = self._listed if self._listed == listed.attachments else listed.attachments
        return self._listed

    async def _may_use(self, reading: _Reading, epoch: Epoch, stored: VolumeRecords | None) -> bool:
        """Not what belongs to another swarm: then the list is as good as unread."""
        if self._from.home is None or stored is None:
            return self._from.home is None
        why = await reading.read("whose the places of the disks are", self._from.home.refusal(epoch, stored.disks))
        if why:
            reading.unread.append(why)
        return why == ""

    def _asked_of(self, volumes: Mapping[VolumeName, VolumeRecord]) -> _Asked:
        """What Swarm's view is asked with: the specs, and who had the newest grant."""
        if self._asked[0] is not volumes:
            specs = {name: record.spec for name, record in volumes.items()}
            self._asked = volumes, (specs, {name: record.service for name, record in volumes.items()})
        return self._asked[1]

    def _follow(
        self,
        nodes: Mapping[NodeId, Node] | None,
        known: Mapping[NodeId, NodeRecord] | None,
        volumes: Mapping[VolumeName, VolumeRecord] | None,
        attachments: tuple[Attachment, ...] | None,
        claims: Mapping[VolumeName, Claim] | None,
    ) -> _Follows:
        """The VMs that hold something or are to, and who left: worked out again when any of it is another object."""
        of = (nodes, known, volumes, attachments, claims, self._unlisted)
        if self._follows is None or not all(map(is_, self._follows[0], of)):
            holders = {each.vm for each in attachments or ()} | granted(volumes) | _wanted_on(nodes, claims)
            whole = None if self._unlisted else attachments
            self._follows = of, (frozenset(holders), departed(nodes, known, volumes, whole))
        return self._follows[1]

    async def _power(
        self, reading: _Reading, nodes: Mapping[NodeId, Node] | None, holders: AbstractSet[VmId]
    ) -> Readings:
        """Of every VM that gives reason to ask: all of them would be a burden on the hypervisor for nothing."""
        self.again = None
        if self._from.power is None or nodes is None:
            return Readings(None, self._from.gates.views())
        began = self._clock()
        suspects = self._from.suspects.now() if self._from.suspects is not None else frozenset[VmId]()
        lost = {node.vm for node in nodes.values() if node.vm is not None and node.state is not NodeState.READY}
        asked = sorted(lost | _missed(nodes) | self._silent(holders) | self._of_interest(nodes, suspects))
        read = await reading.read("the VMs' power states", self._from.power.power(asked)) if asked else {}
        read = of_one_moment(read, self._with_list)
        found = self._judge.judge(read, self._from.gates.views(), lost, began, self._clock())
        self._from.gates.prod(found.prod)
        self._off = found.off
        self.again = found.again if found.again is not None or not suspects else PACE
        return found

    def _silent(self, holders: AbstractSet[VmId]) -> AbstractSet[VmId]:
        """Of these, whose gate's word is no longer current."""
        heard, now = self._from.gates.newest, self._clock()
        words = ((vm, heard(vm)) for vm in holders)
        return {vm for vm, word in words if word is None or now - word.at > self._gate_fresh}

    def _of_interest(self, nodes: Mapping[NodeId, Node], suspects: AbstractSet[VmId]) -> AbstractSet[VmId]:
        """Under a node: what something was just heard about, what was off, and what bears the label of the dead."""
        known = {node.vm for node in nodes.values() if node.vm is not None}
        labelled = {node.vm for node in nodes.values() if node.vm is not None and node.labelled}
        return labelled | (known & (suspects | self._off))

    def _join(self, nodes: Mapping[NodeId, Node], known: Mapping[NodeId, NodeRecord]) -> Mapping[NodeId, Node]:
        now = self._clock()
        down = {name for name, node in nodes.items() if node.state is not NodeState.READY}
        self._not_ready_since = {name: self._not_ready_since.get(name, now) for name in down}
        self._missed = self._from.silent()
        joined = {name: self._with(node, known.get(name), now) for name, node in nodes.items()}
        self._joined = joined
        found = {name: node for name, (_, _, node) in joined.items()}
        self._nodes = self._nodes if self._nodes == found else found
        return self._nodes

    def _with(self, node: Node, known: NodeRecord | None, now: float) -> tuple[Node, NodeRecord | None, Node]:
        """As it was joined before, if that was of the same two; of a node that is not ready the time goes on."""
        before = self._joined.get(node.id)
        lasts = node.id not in self._not_ready_since and node.id not in self._missed
        if before is not None and before[:2] == (node, known) and lasts and before[2].silent_for is None:
            return before
        return node, known, self._with_vm(node, known, now)

    def _with_vm(self, node: Node, known: NodeRecord | None, now: float) -> Node:
        since = self._not_ready_since.get(node.id)
        down_for, silent_for = None if since is None else now - since, self._missed.get(node.id)
        vm, boot = (None, None) if known is None else (known.vm, known.boot)
        return replace(node, vm=vm, boot=boot, down_for=down_for, silent_for=silent_for)


def _wanted_on(nodes: Mapping[NodeId, Node] | None, claims: Mapping[VolumeName, Claim] | None) -> frozenset[VmId]:
    """VMs of nodes that are to get a volume: none is given to one that is off."""
    found = ((nodes or {}).get(claim.node) for claim in (claims or {}).values() if claim.node is not None)
    return frozenset(node.vm for node in found if node is not None and node.vm is not None)


def _missed(nodes: Mapping[NodeId, Node]) -> frozenset[VmId]:
    return frozenset(node.vm for node in nodes.values() if node.vm is not None and node.silent_for is not None)


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
        except Exception as error:  # noqa: BLE001 -- a bug, perhaps of a driver: as unread as any fault, and told
            _log.exception("internal.error", why=f"{what} could not be read")
            self.unread.append(f"{what} could not be read: internal error ({type(error).__name__}: {error})"[:400])
        return None

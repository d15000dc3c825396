"""
Tells Swarm which nodes are dead, and that they live again: see controller/planner/node_labels.py.

Whoever leads looks at what is, so no label stays that another leader has put.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Protocol

import structlog

from controller.model import HistoryEntry, Moment, Node, NodeId, Policy, VolumeName, VolumeRecord, World
from controller.planner.context import WorldIndex
from controller.planner.node_labels import VALUE, LabelChange, label_changes
from controller.reconciler.record_writer import RecordWriter
from controller.records.base import Acting, RecordsUnavailable
from watchers.base import NodeLabels, SwarmUnread

_log = structlog.get_logger(__name__)


class CountedLabels(Protocol):
    def labelled(self, *, put: bool) -> None: ...


class LabelWriter:
    """``writer``: where volumes' histories are written, with the next write of each; ``clock``: that of the looks."""

    def __init__(
        self,
        labels: NodeLabels,
        acting: Acting,
        writer: RecordWriter,
        counted: CountedLabels,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._labels = labels
        self._acting = acting
        self._writer = writer
        self._counted = counted
        self._busy: set[NodeId] = set()
        self._ended: dict[NodeId, float] = {}  # when the last attempt did: a look that began before it knows less
        self._told: dict[NodeId, str] = {}  # the last failure, which is logged once
        # A call without an answer may have changed it all the same; with the look that it rests on.
        self._in_doubt: dict[NodeId, tuple[LabelChange, World]] = {}

    def begin(self, operations: asyncio.TaskGroup, index: WorldIndex, began: float) -> bool:
        """Start what is due by a look that ``began`` then, in ``operations``; whether anything is, or is under way."""
        world, policy = index.world, index.policy
        self._tell_late(world, policy)
        changes = label_changes(index)
        for change in changes:
            if change.node not in self._busy and began > self._ended.get(change.node, -math.inf):
                self._busy.add(change.node)
                operations.create_task(self._make(change, world, policy))
        return bool(changes)

    async def _make(self, change: LabelChange, world: World, policy: Policy) -> None:
        try:
            if not await self._acting.still_acting(world.epoch):
                return
            await (self._labels.put(change.node) if change.put else self._labels.remove(change.node))
        except (SwarmUnread, RecordsUnavailable) as error:
            self._in_doubt[change.node] = change, world
            if self._told.get(change.node) != str(error):
                self._told[change.node] = str(error)
                _log.warning("node.label_kept", node=change.hostname, why=str(error))
        else:
            self._told.pop(change.node, None)
            self._in_doubt.pop(change.node, None)
            self._say(change, world, policy)
        finally:
            self._busy.discard(change.node)
            self._ended[change.node] = self._clock()

    def _tell_late(self, world: World, policy: Policy) -> None:
        for name, (change, then) in tuple(self._in_doubt.items()):
            node = (world.nodes or {}).get(name)
            if node is not None and node.labelled == change.put and name not in self._busy:
                del self._in_doubt[name]
                self._say(change, then, policy)

    def _say(self, change: LabelChange, world: World, policy: Policy) -> None:
        label = f"{policy.node_label}={VALUE}"
        if not change.put:
            _log.info("node.unlabelled", node=change.hostname, label=label, why=change.why)
            self._counted.labelled(put=False)
            return
        _log.warning("node.labelled", node=change.hostname, label=label, why=change.why)
        self._counted.labelled(put=True)
        text = f"{change.why}; the node got the label {label}, so Swarm starts anew what forbids it"
        entry = HistoryEntry(Moment.LABELLED, self._writer.wall(), world.epoch, text, change.hostname)
        for volume in _concerned((world.nodes or {})[change.node], world):
            self._writer.note(volume, entry)


def _concerned(node: Node, world: World) -> Iterator[VolumeName]:
    """Volumes whose disk is on its VM, that may be mounted there, or whose task Swarm still has there."""
    held = {each.disk for each in world.attachments or () if each.vm == node.vm}
    for record in (world.volumes or {}).values():
        if record.disk in held or _granted(record, node) or _wanted(record, node, world):
            yield record.name


def _granted(record: VolumeRecord, node: Node) -> bool:
    return any(grant.vm == node.vm for grant in record.grants)


def _wanted(record: VolumeRecord, node: Node, world: World) -> bool:
    claim = (world.claims or {}).get(record.name)
    return claim is not None and claim.node == node.id

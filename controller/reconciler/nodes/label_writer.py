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

from controller.model import HistoryEntry, Moment, NodeId, Policy, VmId, VolumeName, World
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

    def begin(self, operations: asyncio.TaskGroup, world: World, policy: Policy, began: float) -> bool:
        """Start what is due by a look that ``began`` then, in ``operations``; whether anything is, or is under way."""
        changes = label_changes(world, policy)
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
            if self._told.get(change.node) != str(error):
                self._told[change.node] = str(error)
                _log.warning("node.label_kept", node=change.hostname, why=str(error))
        else:
            self._told.pop(change.node, None)
            self._say(change, world, policy)
        finally:
            self._busy.discard(change.node)
            self._ended[change.node] = self._clock()

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
        for volume in _concerned((world.nodes or {})[change.node].vm, world):
            self._writer.note(volume, entry)


def _concerned(vm: VmId | None, world: World) -> Iterator[VolumeName]:
    """Volumes whose disk is on this VM, or may be mounted there."""
    held = {each.disk for each in world.attachments or () if each.vm == vm}
    for record in (world.volumes or {}).values():
        if record.disk in held or any(grant.vm == vm for grant in record.grants):
            yield record.name

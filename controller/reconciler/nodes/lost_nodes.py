"""
Which machine a person means that is gone, and what hangs on it. Pure.

A node that was removed from the swarm is in no list any more, while its VM may still hold disks: it is found by its VM,
its old ID or its old hostname, in the records of nodes and in the grants of volumes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.model import BootId, Grant, NodeId, NodeState, VmId, VolumeName, VolumeRecord, World
from controller.records.base import NodeRecord


@dataclass(frozen=True, slots=True)
class LostNode:
    """``state`` None: it is in Swarm's list no more."""

    node: NodeId
    hostname: str
    vm: VmId | None
    boot: BootId | None
    state: NodeState | None = None


def named(name: str, world: World, records: Mapping[NodeId, NodeRecord]) -> tuple[LostNode, ...]:
    """All that may be meant: nodes in the list first. One that is ready is meant only if nobody else is."""
    found = [each for each in _all(world, records) if name in {each.node, each.hostname, each.vm}]
    gone = [each for each in found if each.state is not NodeState.READY]
    listed = [each for each in gone if each.state is not None]
    # A machine that rejoined left its old ID behind under the same name: who is in the list is the newest of the dead.
    return tuple(listed or gone or found)


def known(world: World, records: Mapping[NodeId, NodeRecord]) -> tuple[str, ...]:
    return tuple(sorted({each.hostname for each in _all(world, records)}))


def hanging_on(world: World, vm: VmId, boot: BootId | None) -> tuple[VolumeName, ...]:
    """The volumes that this VM may still write to, as far as is known: these move when it is dead."""
    records = (world.volumes or {}).values()
    return tuple(sorted(record.name for record in records if _hangs(world, record, vm, boot)))


def _hangs(world: World, record: VolumeRecord, vm: VmId, boot: BootId | None) -> bool:
    granted = any((grant.vm, grant.boot) == (vm, boot) for grant in record.grants)
    return granted or any((each.disk, each.vm) == (record.disk, vm) for each in world.attachments or ())


def _all(world: World, records: Mapping[NodeId, NodeRecord]) -> Iterable[LostNode]:
    listed, grants = world.nodes or {}, _grants(world)
    for node in listed.values():
        yield LostNode(node.id, node.hostname, node.vm, node.boot, node.state)
    for record in records.values():
        if record.node not in listed:
            # What counts is the boot in which it may still write: that of its grants.
            grant = grants.get(record.node)
            yield LostNode(record.node, record.hostname, record.vm, record.boot if grant is None else grant.boot)
    for grant in grants.values():
        if grant.node not in listed and grant.node not in records:
            yield LostNode(grant.node, grant.vm, grant.vm, grant.boot)


def _grants(world: World) -> Mapping[NodeId, Grant]:
    """One of each node that may still have a volume."""
    return {grant.node: grant for record in (world.volumes or {}).values() for grant in record.grants}

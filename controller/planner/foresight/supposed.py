"""
A World as it would be read if something happened: a node died, or Swarm moved a task. Pure, for plans only.

Where Swarm would start a task is Swarm's to decide: here it is the ready node with the fewest disks that the service's
constraints on hostname, ID and role allow. Constraints on labels are not looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from controller.model import Claim, Node, NodeId, NodeState, Power, TaskId, VmId, VolumeName, VolumeRecord, World

_CONSTRAINT = re.compile(r"node\.(hostname|id|role)(==|!=)(.*)")


def concerned(world: World, node: Node) -> frozenset[VolumeName]:
    """Volumes whose disk, permission or task is on that node."""
    disks = {each.disk for each in world.attachments or () if each.vm == node.vm}
    stored = {name for name, each in (world.volumes or {}).items() if each.disk in disks or _granted(each, node)}
    return frozenset(stored) | _wanted(world, node)


def _wanted(world: World, node: Node) -> frozenset[VolumeName]:
    return frozenset(name for name, claim in (world.claims or {}).items() if claim.node == node.id)


def _granted(record: VolumeRecord, node: Node) -> bool:
    return any(grant.vm == node.vm for grant in record.grants)


def node_died(world: World, node: Node, power: Power) -> World:
    """Swarm calls the node down, its gate is silent, and the hypervisor says this of its VM."""
    nodes = {**(world.nodes or {}), node.id: replace(node, state=NodeState.DOWN, down_for=0.0)}
    told = {} if node.vm is None else {node.vm: power}
    gone = replace(
        world,
        nodes=nodes,
        power={**(world.power or {}), **told},
        gates={vm: view for vm, view in world.gates.items() if vm != node.vm},
    )
    return _rescheduled(gone, node)


def node_drained(world: World, node: Node) -> World:
    """Swarm ends the tasks there in good order, and starts them elsewhere."""
    nodes = {**(world.nodes or {}), node.id: replace(node, available=False)}
    return _rescheduled(replace(world, nodes=nodes), node)


def _rescheduled(world: World, node: Node) -> World:
    claims = dict(world.claims or {})
    for name, claim in sorted(claims.items()):
        if claim.node == node.id:
            claims[name] = started_on(claim, next_node(replace(world, claims=claims), claim))
    return replace(world, claims=claims)


def task_moved(world: World, volume: VolumeName, node: Node) -> World:
    """Swarm ends the task of the volume's service, and starts another one on that node."""
    claim = (world.claims or {}).get(volume)
    moved = {} if claim is None else {volume: started_on(claim, node)}
    return replace(world, claims={**(world.claims or {}), **moved})


def next_node(world: World, claim: Claim) -> Node | None:
    load: Counter[VmId | None] = Counter(each.vm for each in world.attachments or ())
    wanted = Counter(each.node for each in (world.claims or {}).values())
    allowed = [node for node in (world.nodes or {}).values() if _takes_tasks(node) and _allows(claim, node)]
    return min(allowed, key=lambda node: (load[node.vm] + wanted[node.id], node.hostname), default=None)


def started_on(claim: Claim, node: Node | None) -> Claim:
    """Its tasks again, new ones, on that node; nowhere yet where there is none."""
    where = None if node is None else node.id
    tasks = tuple(
        replace(each, id=TaskId(f"{each.id}-again"), node=where, started=False, created="") for each in claim.tasks
    )
    return replace(claim, node=where, tasks=tasks)


def named(world: World, name: str) -> Node | None:
    """By hostname, ID or VM; of several of one hostname the ready one."""
    nodes: Mapping[NodeId, Node] = world.nodes or {}
    found = [node for node in nodes.values() if name in {node.hostname, node.id, node.vm}]
    found.sort(key=lambda node: node.state is not NodeState.READY)
    return found[0] if found else None


def _takes_tasks(node: Node) -> bool:
    return node.state is NodeState.READY and node.available and not node.labelled and node.vm is not None


def _allows(claim: Claim, node: Node) -> bool:
    known = {"hostname": node.hostname, "id": str(node.id), "role": "manager" if node.manager else "worker"}
    said = (_CONSTRAINT.fullmatch(each) for task in claim.tasks for each in task.constraints)
    return all((known[each[1]] == each[3]) is (each[2] == "==") for each in said if each is not None)

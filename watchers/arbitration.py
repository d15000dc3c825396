"""
Which of several services gets a volume that all of them want. Pure.

Somebody's mistake must not stop the service that has the volume: it keeps its claim and its failover, and the newcomer
is refused with the reason. On the node of the one that has it, others share it. A mount that is read-only is like any
other: a disk can be on one VM only, and the file system on it has one writer's caches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain

from controller.model import NodeId, Refusal, Spec
from watchers.conflicts import Want, conflict, hostname
from watchers.docker_json import sortable_time


@dataclass(frozen=True, slots=True)
class Verdict:
    """``kept``: newest first, on one node unless there is a ``conflict``."""

    kept: Sequence[Want]
    conflict: str | None
    refused: tuple[Refusal, ...] = ()


def judge(wants: Sequence[Want], hosts: Mapping[NodeId, str], spec: Spec | None, holder: str) -> Verdict:
    """
    ``wants``: newest first and not empty. ``hosts``: the nodes' names. ``holder``: name of the service that had the
    newest grant, or empty.
    """
    groups = _by_service(wants)
    if len(groups) == 1:
        return Verdict(wants, conflict(wants, hosts, spec, holder))
    faults = {service: conflict(group, hosts, spec, holder) for service, group in groups.items()}
    order = _in_order(groups, holder)
    first = _first(order, faults, groups, holder)
    if faults[first] is not None:
        return Verdict(groups[first], faults[first])
    where = place(groups[first])
    guests = _guests(groups, faults, where)
    others = [service for service in order if service not in guests]
    refused = chain.from_iterable(
        _refusals(groups[each], faults[each], groups[first][0], where, hosts) for each in others
    )
    kept = [want for want in wants if want.service.id in guests | {first}]
    return Verdict(kept, None, tuple(refused))


def _by_service(wants: Sequence[Want]) -> Mapping[str, Sequence[Want]]:
    groups: dict[str, list[Want]] = {}
    for want in wants:
        groups.setdefault(want.service.id, []).append(want)
    return groups


def place(wants: Sequence[Want]) -> NodeId | None:
    """The node of the newest task that has one; None: none is assigned yet."""
    return next((NodeId(want.task.node_id) for want in wants if want.task.node_id), None)


def _in_order(groups: Mapping[str, Sequence[Want]], holder: str) -> Sequence[str]:
    return sorted(groups, key=lambda service: _rank(groups[service], holder))


def _rank(group: Sequence[Want], holder: str) -> tuple[bool, bool, str, str]:
    """Who had it goes first; then who could start now; then who was there first."""
    service = group[0].service
    return service.spec.name != holder, place(group) is None, sortable_time(service.created_at), service.id


def _first(
    order: Sequence[str], faults: Mapping[str, str | None], groups: Mapping[str, Sequence[Want]], holder: str
) -> str:
    """The holder, even with a fault: others would take its data away from it."""
    if groups[order[0]][0].service.spec.name == holder:
        return order[0]
    return next((service for service in order if faults[service] is None), order[0])


def _guests(
    groups: Mapping[str, Sequence[Want]], faults: Mapping[str, str | None], where: NodeId | None
) -> AbstractSet[str]:
    """Services without a fault whose tasks are all on the node of the one that has it."""
    if where is None:
        return set()
    return {service for service, group in groups.items() if faults[service] is None and _all_on(where, group)}


def _all_on(where: NodeId, group: Sequence[Want]) -> bool:
    """A task that is not placed yet belongs to nobody's node: it is looked at again when it is."""
    return all(want.task.node_id == where for want in group)


def _refusals(
    group: Sequence[Want], fault: str | None, first: Want, where: NodeId | None, hosts: Mapping[NodeId, str]
) -> Sequence[Refusal]:
    """None while the service that goes first is not placed: it may come to the same node."""
    found: list[Refusal] = []
    for want in group:
        node = NodeId(want.task.node_id) if want.task.node_id else None
        why = fault
        if why is None and node is not None and where is not None and node != where:
            why = _elsewhere(want, first, where, hosts)
        if why is not None:
            found.append(Refusal(want.service.spec.name, node, why))
    return found


def _elsewhere(want: Want, first: Want, where: NodeId, hosts: Mapping[NodeId, str]) -> str:
    newcomer, name = want.service.spec.name, first.service.spec.name
    return (
        f"service {newcomer} wants it on {hostname(want.task.node_id, hosts)}, but service {name} has it on "
        f"{hostname(where, hosts)}, and a disk can be on one VM only, also for reading: bind {newcomer} to the node of "
        f"{name} with a placement constraint, or give it its own volume"
    )

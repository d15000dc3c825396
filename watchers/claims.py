"""
Docker's nodes, services and tasks -> the model's nodes and claims. Pure.

A claim is what Swarm wants now: the newest wanted task of each slot. During a move the old task is wanted no more
(desired state ``shutdown``) although it may still be seen running: that is no conflict. Whatever cannot work becomes
the claim's ``conflict``: one sentence with the cure. Of several services one gets the claim (watchers/arbitration.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from controller.model import Claim, ClaimTask, Node, NodeId, NodeState, Spec, TaskId, VolumeName
from controller.volumes.naming import BadName, volume_name
from controller.volumes.options import wished_size
from watchers.arbitration import judge, place
from watchers.conflicts import Want
from watchers.docker_json import Mount, RawNode, RawService, RawTask, sortable_time
from watchers.service_volumes import Users, may_be_ours
from watchers.templates import Context, Unassigned, Unexpandable, expand

# Swarm's task states up to "running", in order; a job's task is wanted as "complete" until it is seen complete.
STATES = ("new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")
WANTED = (*STATES, "complete")
DEAD = "down"  # the value of a dead node's label


@dataclass(frozen=True, slots=True)
class Known:
    """What the records say. ``specs``: for external volumes and differing options; ``holders``: services by name."""

    specs: Mapping[VolumeName, Spec] = field(default_factory=dict)
    holders: Mapping[VolumeName, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwarmSnapshot:
    """
    Swarm's state of one moment.

    ``tasks``: the wanted ones of services that may mount volumes of ours, also some that have just ended.
    """

    nodes: Mapping[NodeId, Node]
    leader: NodeId | None
    services: tuple[RawService, ...] = ()
    tasks: tuple[RawTask, ...] = ()
    _asked: list[tuple[Known, Mapping[VolumeName, Claim]]] = field(default_factory=list, compare=False, repr=False)

    def claims(
        self, specs: Mapping[VolumeName, Spec], holders: Mapping[VolumeName, str] = MappingProxyType({})
    ) -> Mapping[VolumeName, Claim]:
        """See `claims`. The last answer is kept: while nothing changes in Swarm, each look asks the same again."""
        known = Known(specs, holders)
        if not self._asked or self._asked[0][0] != known:
            self._asked[:] = [(known, claims(self.services, self.tasks, self.nodes, known))]
        return self._asked[0][1]


def decode_node(raw: RawNode, label: str = "") -> Node:
    """VM, boot and ``down_for`` are not Swarm's to know and stay empty. ``label``: that of a dead node."""
    manager = raw.manager_status
    address = manager.addr.rpartition(":")[0] if manager is not None and manager.addr else raw.status.addr
    return Node(
        id=NodeId(raw.id),
        hostname=raw.description.hostname,
        state=_node_state(raw.status.state),
        manager=raw.spec.role == "manager",
        available=raw.spec.availability == "active",
        address=address,
        labelled=bool(label) and (raw.spec.labels or {}).get(label) == DEAD,
    )


def leader_of(nodes: Iterable[RawNode]) -> NodeId | None:
    """Swarm's own leader; None during an election."""
    return next((NodeId(raw.id) for raw in nodes if raw.manager_status is not None and raw.manager_status.leader), None)


def may_mount(service: RawService) -> bool:
    """Whether tasks of the service may mount volumes of ours; for sure only the expanded names tell."""
    return any(may_be_ours(mount) for mount in service.spec.task_template.mounts)


def claims(
    services: Iterable[RawService],
    tasks: Iterable[RawTask],
    nodes: Mapping[NodeId, Node],
    recorded: Known,
) -> Mapping[VolumeName, Claim]:
    """Who wants which volume, and which volumes with a record a service without tasks would want."""
    known = {service.id: service for service in services}
    tasks = tuple(tasks)
    wants: defaultdict[VolumeName, list[Want]] = defaultdict(list)
    for task in _newest(task for task in tasks if is_wanted(task)):
        service = known.get(task.service_id)
        if service is None:
            continue  # removed between the two lists: the next look shows its tasks unwanted
        for name, want in _wants(task, service, nodes, recorded.specs):
            wants[name].append(want)
    users = Users(known.values(), nodes)
    found = {name: _claim(name, each, nodes, recorded, users) for name, each in wants.items()}
    return found | _unclaimed(recorded.specs.keys() - found.keys(), users, tasks)


def _unclaimed(names: AbstractSet[VolumeName], users: Users, tasks: Iterable[RawTask]) -> dict[VolumeName, Claim]:
    """Volumes that no task wants, of those that services mention."""
    going_on = frozenset(task.service_id for task in tasks if task.desired_state in WANTED)
    named = {name: services for name in names if (services := users.of(name))}
    return {
        name: Claim(name, None, (), services=services, given_up=users.given_up(services, going_on))
        for name, services in named.items()
    }


def is_wanted(task: RawTask) -> bool:
    """Swarm wants it running, and it did not end yet."""
    return task.desired_state in WANTED and task.status.state in STATES


def _newest(tasks: Iterable[RawTask]) -> Sequence[RawTask]:
    """The newest of each slot, newest first. Tasks of a global service have no slot: the node stands for it."""
    newest: dict[tuple[str, int, str], RawTask] = {}
    for task in sorted(tasks, key=lambda task: sortable_time(task.created_at)):
        newest[(task.service_id, task.slot, "" if task.slot else task.node_id)] = task
    return sorted(newest.values(), key=lambda task: sortable_time(task.created_at), reverse=True)


def _wants(
    task: RawTask, service: RawService, nodes: Mapping[NodeId, Node], specs: Mapping[VolumeName, Spec]
) -> Iterable[tuple[VolumeName, Want]]:
    context = _context(task, service, nodes)
    found: dict[VolumeName, Want] = {}
    for mount in task.spec.mounts:
        if not may_be_ours(mount):
            continue
        name, problem = _name(mount, context)
        external = not mount.driver.name
        if name is None or (external and name not in specs):
            continue
        options, bad = _options(mount, context)
        want = Want(task, service, mount, options, problem or bad)
        found[name] = _joined(found[name], want) if name in found else want
    return found.items()


def _joined(first: Want, more: Want) -> Want:
    """Two mounts of one volume in one task are one wish. Docker makes the volume with what one of them says."""
    also = first.also if more.options in first.said else (*first.also, more.options)
    return replace(first, mounts=first.mounts + 1, problem=first.problem or more.problem, also=also)


def _name(mount: Mount, context: Context) -> tuple[VolumeName | None, str | None]:
    """The volume's name and what is wrong with it. A bad name stands as the user wrote it; None: not known yet."""
    expanded = expand(mount.source, context)
    if isinstance(expanded, Unassigned):
        return None, None
    if isinstance(expanded, Unexpandable):
        return VolumeName(mount.source), expanded.why
    name = volume_name(expanded)
    if isinstance(name, BadName):
        return VolumeName(expanded), name.why
    return name, None


def _options(mount: Mount, context: Context) -> tuple[Mapping[str, str], str | None]:
    options: dict[str, str] = {}
    for key, text in (mount.driver.options or {}).items():
        value = expand(text, context)
        if isinstance(value, Unexpandable):
            return {}, value.why
        if isinstance(value, Unassigned):
            return {}, None  # to be checked when the node is known
        options[key] = value
    return options, None


def _claim(
    name: VolumeName, wants: Sequence[Want], nodes: Mapping[NodeId, Node], recorded: Known, users: Users
) -> Claim:
    spec, holder = recorded.specs.get(name), recorded.holders.get(name, "")
    verdict = judge(wants, nodes, spec, holder)
    of_holder = next((want for want in verdict.kept if want.service.spec.name == holder), None)
    said = tuple(sorted({want.service.spec.name for want in wants} | set(users.fixed(name))))
    return Claim(
        volume=name,
        node=place(verdict.kept),
        tasks=tuple(_claim_task(want) for want in verdict.kept),
        conflict=verdict.conflict,
        refused=verdict.refused,
        services=said,
        asked=_asked(wants),
        wished=0 if spec is None or of_holder is None else wished_size(of_holder.options, spec),
    )


def _asked(wants: Iterable[Want]) -> Mapping[NodeId, tuple[Mapping[str, str], ...]]:
    """With which options each node's Docker may make the volume."""
    asked: defaultdict[NodeId, list[Mapping[str, str]]] = defaultdict(list)
    for want in wants:
        found = asked[NodeId(want.task.node_id)] if want.task.node_id else []
        found += [options for options in want.said if options not in found]
    return {node: tuple(options) for node, options in asked.items()}


def _claim_task(want: Want) -> ClaimTask:
    node = NodeId(want.task.node_id) if want.task.node_id else None
    placement = want.service.spec.task_template.placement
    said = (() if placement is None else placement.constraints) or ()
    return ClaimTask(
        id=TaskId(want.task.id),
        service=want.service.spec.name,
        node=node,
        created=sortable_time(want.task.created_at),
        started=want.task.status.state == "running",
        constraints=tuple("".join(each.split()) for each in said),
        mounts=want.mounts,
        stop_grace=want.task.spec.stop_grace,
    )


def _context(task: RawTask, service: RawService, nodes: Mapping[NodeId, Node]) -> Context:
    node = nodes.get(NodeId(task.node_id))
    return Context(
        service_id=task.service_id,
        service_name=service.spec.name,
        task_id=task.id,
        slot=task.slot,
        node=task.node_id,
        hostname=node.hostname if node is not None else "",
        labels=service.spec.labels or {},
    )


def _node_state(text: str) -> NodeState:
    try:
        return NodeState(text)
    except ValueError:
        return NodeState.UNKNOWN  # a state that we do not know is never "down"

"""
Docker's nodes, services and tasks -> the model's nodes and claims. Pure.

A claim is what Swarm wants now: the newest wanted task of each slot. During a move the old task is wanted no more
(desired state ``shutdown``) although it may still be seen running: that is no conflict. Whatever cannot work becomes
the claim's ``conflict``: one sentence with the cure. Of several services one gets the claim (watchers/arbitration.py).

At thousands of volumes hardly any changes from one look to the next. So what a service's tasks wish for, and whose a
volume is, are functions of named values, and an answer stands while all of these are equal (`Claimant`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from controller.model import Claim, ClaimTask, Node, NodeId, NodeState, Spec, TaskId, VolumeName
from controller.unchanged import Each, Once
from controller.volumes.naming import BadName, volume_name
from controller.volumes.options import wished_size
from controller.volumes.schedules import wished_schedule
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


class Claimant:
    """Who wants which volume, as `claims` says. What rests on the same as in the last answer is not worked out anew."""

    def __init__(self) -> None:
        self._hosts: Mapping[NodeId, str] = {}
        self._users = Once(Users)
        self._wishes, self._claims = Each(_wishes), Each(_claim)
        self._last: tuple[tuple[object, ...], Mapping[VolumeName, Claim]] = (), {}

    def __call__(
        self, services: tuple[RawService, ...], tasks: tuple[RawTask, ...], nodes: Mapping[NodeId, Node], known: Known
    ) -> Mapping[VolumeName, Claim]:
        """The very same mapping while it is equal. Of a node only its name matters: that it is down changes nothing."""
        hosts = {name: node.hostname for name, node in nodes.items()}
        if hosts != self._hosts:
            self._hosts = hosts
        asked = (services, tasks, self._hosts, known)
        if self._last[0] != asked:
            made, last = self._made(services, tasks, known), self._last[1]
            self._last = asked, last if made == last else made
        return self._last[1]

    def _made(
        self, services: tuple[RawService, ...], tasks: tuple[RawTask, ...], recorded: Known
    ) -> Mapping[VolumeName, Claim]:
        users = self._users(services, self._hosts)
        found: dict[VolumeName, Claim] = {}
        for name, wishes in self._wanted(services, tasks).items():
            spec, holder = recorded.specs.get(name), recorded.holders.get(name, "")
            claim = self._claims(name, name, wishes, self._hosts, spec, holder, users.fixed(name))
            if claim is not None:
                found[name] = claim
        self._wishes.turn()
        self._claims.turn()
        return found | _unclaimed(recorded.specs.keys() - found.keys(), users, tasks)

    def _wanted(self, services: tuple[RawService, ...], tasks: tuple[RawTask, ...]) -> Mapping[VolumeName, _Wishes]:
        of_service: defaultdict[str, list[RawTask]] = defaultdict(list)
        for task in tasks:
            if is_wanted(task):
                of_service[task.service_id].append(task)
        wanted: dict[VolumeName, _Wishes] = {}
        for service in services:  # one without tasks, or removed between the two lists, is in one of them only
            mine = of_service.get(service.id)
            for name, wishes in self._wishes(service.id, service, tuple(mine), self._hosts) if mine else ():
                others = wanted.get(name)
                wanted[name] = wishes if others is None else (*others, *wishes)
        return wanted


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
    _claimant: Claimant = field(default_factory=Claimant, compare=False, repr=False)

    def claims(
        self, specs: Mapping[VolumeName, Spec], holders: Mapping[VolumeName, str] = MappingProxyType({})
    ) -> Mapping[VolumeName, Claim]:
        """See `claims`."""
        return self._claimant(self.services, self.tasks, self.nodes, Known(specs, holders))


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
    services: Iterable[RawService], tasks: Iterable[RawTask], nodes: Mapping[NodeId, Node], recorded: Known
) -> Mapping[VolumeName, Claim]:
    """Who wants which volume, and which volumes with a record a service without tasks would want."""
    return Claimant()(tuple(services), tuple(tasks), nodes, recorded)


def _unclaimed(names: AbstractSet[VolumeName], users: Users, tasks: Iterable[RawTask]) -> dict[VolumeName, Claim]:
    """Volumes that no task wants, of those that services mention."""
    if not names:
        return {}
    going_on = frozenset(task.service_id for task in tasks if task.desired_state in WANTED)
    named = {name: services for name in names if (services := users.of(name))}
    return {
        name: Claim(name, None, (), services=services, given_up=users.given_up(services, going_on))
        for name, services in named.items()
    }


def is_wanted(task: RawTask) -> bool:
    """Swarm wants it running, and it did not end yet."""
    return task.desired_state in WANTED and task.status.state in STATES


Names = tuple[str, ...]
_Wishes = tuple[Want, ...]


def _newest(tasks: Iterable[RawTask]) -> Sequence[RawTask]:
    """Of one service's: the newest of each slot, newest first. A global one's have no slot: the node stands for it."""
    newest: dict[tuple[int, str], RawTask] = {}
    for task in sorted(tasks, key=lambda task: sortable_time(task.created_at)):
        newest[(task.slot, "" if task.slot else task.node_id)] = task
    return sorted(newest.values(), key=lambda task: sortable_time(task.created_at), reverse=True)


def _wishes(
    service: RawService, tasks: tuple[RawTask, ...], hosts: Mapping[NodeId, str]
) -> tuple[tuple[VolumeName, _Wishes], ...]:
    """What the wanted tasks of a service mount, newest first: external volumes too, whosever they are."""
    found: defaultdict[VolumeName, list[Want]] = defaultdict(list)
    for task in _newest(tasks):
        context = _context(task, service, hosts)
        for mount in filter(may_be_ours, task.spec.mounts):
            name, problem = _name(mount, context)
            if name is not None:
                options, bad = _options(mount, context)
                found[name].append(Want(task, service, mount, options, problem or bad))
    return tuple((name, tuple(wishes)) for name, wishes in found.items())


def _of_tasks(wishes: _Wishes, *, recorded: bool) -> Sequence[Want]:
    """One for each task, newest first. An external volume is ours only where there is a record of it."""
    found: list[Want] = []
    for want in sorted(wishes, key=lambda want: sortable_time(want.task.created_at), reverse=True):
        if not recorded and not want.mount.driver.name:
            continue
        if found and found[-1].task is want.task:
            found[-1] = _joined(found[-1], want)
        else:
            found.append(want)
    return found


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
    name: VolumeName, wishes: _Wishes, hosts: Mapping[NodeId, str], spec: Spec | None, holder: str, fixed: Names
) -> Claim | None:
    """``fixed``: services that mention exactly this name. None: nobody wishes for a volume of ours."""
    wants = _of_tasks(wishes, recorded=spec is not None)
    if not wants:
        return None
    verdict = judge(wants, hosts, spec, holder)
    of_holder = next((want for want in verdict.kept if want.service.spec.name == holder), None)
    said = tuple(sorted({want.service.spec.name for want in wants} | set(fixed)))
    return Claim(
        volume=name,
        node=place(verdict.kept),
        tasks=tuple(_claim_task(want) for want in verdict.kept),
        conflict=verdict.conflict,
        refused=verdict.refused,
        services=said,
        asked=_asked(wants),
        wished=0 if spec is None or of_holder is None else wished_size(of_holder.options, spec),
        schedule=None if spec is None or of_holder is None else wished_schedule(of_holder.options, spec),
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


def _context(task: RawTask, service: RawService, hosts: Mapping[NodeId, str]) -> Context:
    return Context(
        service_id=task.service_id,
        service_name=service.spec.name,
        task_id=task.id,
        slot=task.slot,
        node=task.node_id,
        hostname=hosts.get(NodeId(task.node_id), ""),
        labels=service.spec.labels or {},
    )


def _node_state(text: str) -> NodeState:
    try:
        return NodeState(text)
    except ValueError:
        return NodeState.UNKNOWN  # a state that we do not know is never "down"

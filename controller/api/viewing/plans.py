"""`reberth plan`: the planner, asked about a World that is supposed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from controller.api.status import state
from controller.model import Claim, Node, NodeState, Policy, Power, VmId, VolumeName, World
from controller.planner.actions import reason
from controller.planner.foresight.foresee import Step, foresee
from controller.planner.foresight.supposed import concerned, named, node_died, node_drained, task_moved
from controller.planner.placement import Placement
from controller.planner.remedies import remedy
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import Plan
from controller.protocol.views import PlanStep, PlanView, VolumePlan
from controller.reconciler.history import hostname

_POWER: Mapping[str, Power] = {"off": Power.OFF, "runs": Power.ON, "unseen": Power.UNKNOWN}
_SEEN = {"off": "seen off", "runs": "running", "unseen": "not to be seen"}


def planned(world: World | None, policy: Policy, asked: Plan) -> PlanView | Rejection:
    if world is None or None in (world.nodes, world.claims, world.volumes, world.attachments):
        unread = "" if world is None else f": {'; '.join(world.unread)}"
        return unavailable(
            f"a plan needs all of Swarm, the records and the storage, and a part could not be read{unread}"
        )
    if asked.node_down or asked.drain:
        return _without(world, policy, asked)
    if asked.volume:
        return _moved(world, policy, asked)
    return _view(world, policy, "As things are now.", frozenset(world.volumes or {}))


def _without(world: World, policy: Policy, asked: Plan) -> PlanView | Rejection:
    node = _node(world, asked.node_down or asked.drain)
    if isinstance(node, Rejection):
        return node
    if asked.drain:
        about = f"If node {node.hostname} were drained. Swarm chooses the nodes itself."
        return _view(node_drained(world, node), policy, about, concerned(world, node))
    about = f"If node {node.hostname} were down, its VM {_SEEN[asked.vm]}. Swarm chooses the nodes itself."
    return _view(node_died(world, node, _POWER[asked.vm]), policy, about, concerned(world, node))


def _moved(world: World, policy: Policy, asked: Plan) -> PlanView | Rejection:
    node = _node(world, asked.to)
    if isinstance(node, Rejection):
        return node
    volume = VolumeName(asked.volume)
    claim = (world.claims or {}).get(volume)
    if claim is None or not claim.tasks:
        return Rejection(Status.CONFLICT, f"no task wants volume {volume}: there is nothing to move")
    if node.state is not NodeState.READY or not node.available:
        return Rejection(Status.CONFLICT, f"node {node.hostname} takes no tasks: it is down, paused or drained")
    return _together(world, policy, claim, node)


def _together(world: World, policy: Policy, claim: Claim, node: Node) -> PlanView:
    """All volumes of a task go with it."""
    tasks = {each.id for each in claim.tasks}
    found = {name for name, each in (world.claims or {}).items() if tasks & {task.id for task in each.tasks}}
    for name in found:
        world = task_moved(world, name, node)
    about = f"If the task of service {claim.tasks[0].service} were started on node {node.hostname}."
    return _view(world, policy, about, found)


def _node(world: World, name: str) -> Node | Rejection:
    found = named(world, name)
    if found is not None:
        return found
    known = ", ".join(sorted(node.hostname for node in (world.nodes or {}).values()))
    return Rejection(Status.MISSING, f"there is no node {name!r}; known nodes: {known}")


def _view(world: World, policy: Policy, about: str, volumes: AbstractSet[VolumeName]) -> PlanView:
    found: dict[VolumeName, list[Step]] = {}
    for step in foresee(world, policy, volumes):
        found.setdefault(step.decision.volume, []).append(step)
    return PlanView(about, tuple(_volume(name, found[name], policy) for name in sorted(found)))


def _volume(name: VolumeName, steps: list[Step], policy: Policy) -> VolumePlan:
    end = steps[-1]
    told = tuple(PlanStep(each.at, each.decision.action.kind, reason(each.decision.action)) for each in steps)
    why = told[-1].why
    cure = "" if end.decision.placement is Placement.SETTLED else remedy(end.decision, end.world, policy)
    return VolumePlan(name, ", ".join(_places(end.world, name)), state(end.decision), why, cure, told)


def _places(world: World, name: VolumeName) -> Iterable[str]:
    record = (world.volumes or {}).get(name)
    vms: list[VmId] = [each.vm for each in world.attachments or () if record is not None and each.disk == record.disk]
    return (hostname(world, vm) or "?" for vm in vms)

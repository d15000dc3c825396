"""
How far an upgrade is: which part runs what, what is to be exchanged next, and why it should wait. Pure.

Controllers come first: an older one refuses fields of a record or of a message that it does not know. A node's gate
comes last: its node service makes it, when no container there uses a volume.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from controller.doctor.findings import Facts, NodeReport
from controller.doctor.versions import is_older
from controller.model import Moment, NodeId, VolumeName, VolumeRecord, World
from controller.protocol.views import UpgradePart, UpgradeStep, UpgradeView, VolumeLine
from watchers.swarm_facts import NodeFacts, ServiceFacts

CONTROLLER, NODE_SERVICE, GATE = "controller", "node service", "gate"
CURRENT, WAITS, UNKNOWN = "current", "waits", "unknown"
_AT_REST = {"ok", "kept", "refused", "paused"}  # states of a volume with which nothing is under way
_STUCK = {"paused", "rollback_paused", "rollback_completed"}
_DRAINED = "its node is drained or paused: until it is active again"
_SETTLES = 60.0  # seconds in which a file system follows its disk


def examined(
    facts: Facts, acting: NodeId, lines: Sequence[VolumeLine], growing: Collection[str], now: float
) -> UpgradeView:
    """``acting``: the node of this controller. ``lines``: all volumes as `reberth status` has them."""
    parts = (*_controllers(facts, acting), *_node_services(facts), *_gates(facts))
    found, why = tuple(_steps(facts, parts)), tuple(_holds(facts, lines, growing, now))
    unfinished = any(each.state != "done" for each in found)
    node = facts.node(acting)
    return UpgradeView(
        "wait" if why else "go on" if unfinished else "done",
        facts.version,
        acting if node is None else node.name,
        why,
        found,
        parts,
    )


def _controllers(facts: Facts, acting: NodeId) -> Iterator[UpgradePart]:
    newer = [name for name, gate in _newer_gates(facts)]
    for node in _placed(facts, "controller", facts.managers):
        part = _tasked(facts, "controller", CONTROLLER, node, facts.version if node.id == acting else "")
        if node.id == acting and part.state == CURRENT and newer:
            why = f"gates are newer: {', '.join(newer)}; deploy the stack with the image of their version"
            part = UpgradePart(part.part, part.node, part.version, part.image, WAITS, why)
        yield part


def _newer_gates(facts: Facts) -> Iterator[tuple[str, str]]:
    for node in facts.swarm.nodes:
        gate = _report(facts, node).gate_version
        if is_older(facts.version, gate):
            yield node.name, gate


def _node_services(facts: Facts) -> Iterator[UpgradePart]:
    for node in _placed(facts, "node", facts.swarm.nodes):
        if _takes_gates(node):
            yield _tasked(facts, "node", NODE_SERVICE, node, "")


def _placed(facts: Facts, role: str, nodes: Iterable[NodeFacts]) -> Iterator[NodeFacts]:
    """Where Swarm runs a global service, in the order of names: it takes its task from a node that is drained."""
    for node in sorted(nodes, key=lambda each: each.name):
        if node.spec.availability == "active" or _image(facts, role, node):
            yield node


def _tasked(facts: Facts, role: str, part: str, node: NodeFacts, version: str) -> UpgradePart:
    """A part that is a task of a global service of ours."""
    service, has = facts.own(role), _image(facts, role, node)
    if service is None:
        return UpgradePart(
            part, node.name, version, "", UNKNOWN, f"there is no service with the label reberth.role={role}"
        )
    wanted = service.task.container_spec.image
    if node.status.state != "ready":
        why = f"Swarm calls the node {node.status.state}: mend it, or `docker node rm` it"
        return UpgradePart(part, node.name, version, "", UNKNOWN, why)
    if not has:
        why = f"no task of {service.name} runs there: `docker service ps --no-trunc {service.name}`"
        return UpgradePart(part, node.name, version, "", WAITS, why)
    if has != wanted:
        return UpgradePart(part, node.name, version, _short(has), WAITS, f"{service.name} is to run {_short(wanted)}")
    return UpgradePart(part, node.name, version, _short(has), CURRENT, "")


def _image(facts: Facts, role: str, node: NodeFacts) -> str:
    """Of the task there that runs, and is to run."""
    service = facts.own(role)
    return next(
        (
            task.image
            for task in facts.swarm.tasks
            if service is not None
            and (task.service_id, task.node_id) == (service.id, node.id)
            and (task.desired_state, task.status.state) == ("running", "running")
        ),
        "",
    )


def _gates(facts: Facts) -> Iterator[UpgradePart]:
    for node in sorted(facts.swarm.nodes, key=lambda each: each.name):
        if _takes_gates(node):
            state, why = _gate(facts, node)
            yield UpgradePart(GATE, node.name, _report(facts, node).gate_version, "", state, why)


def _gate(facts: Facts, node: NodeFacts) -> tuple[str, str]:
    report = facts.reports.get(NodeId(node.id))
    if node.status.state != "ready":
        return UNKNOWN, "it is exchanged when its node is back"
    if report is None:
        return UNKNOWN, "its node service was not heard yet"
    if report.gate != "running":
        return WAITS, report.gate
    if not report.gate_version:
        return UNKNOWN, "it has not spoken to this controller yet"
    if is_older(report.gate_version, facts.version):
        away = node.spec.availability != "active" and not _image(facts, "node", node)
        return WAITS, _DRAINED if away else "it follows its node service"
    return CURRENT, ""


def _report(facts: Facts, node: NodeFacts) -> NodeReport:
    return facts.reports.get(NodeId(node.id)) or NodeReport()


def _takes_gates(node: NodeFacts) -> bool:
    return node.description.platform.os in {"", "linux"}


def _steps(facts: Facts, parts: Sequence[UpgradePart]) -> Iterator[UpgradeStep]:
    """The first that is not done is what to see to now."""
    state = "now"
    for part, role in ((CONTROLLER, "controller"), (NODE_SERVICE, "node"), (GATE, "")):
        left = [each for each in parts if each.part == part and each.state != CURRENT]
        if not left:
            yield UpgradeStep(f"{part}s", "done", _all(facts, role))
            continue
        yield UpgradeStep(f"{part}s", state, f"{', '.join(each.node for each in left)}: {_cure(facts.own(role), left)}")
        state = "later"


def _all(facts: Facts, role: str) -> str:
    service = facts.own(role)
    return "all are current" if service is None else f"all run {_short(service.task.container_spec.image)}"


def _cure(service: ServiceFacts | None, left: Sequence[UpgradePart]) -> str:
    if service is not None:
        return f"`docker service ps --no-trunc {service.name}` shows how far Swarm is"
    busy = next((each.node for each in left if each.state == WAITS), "")
    return f"`reberth evacuate {busy}` moves what uses volumes on a node" if busy else "see what is said of them"


def _holds(facts: Facts, lines: Sequence[VolumeLine], growing: Collection[str], now: float) -> Iterator[str]:
    world = facts.world
    if world is None:
        yield "The controller has not looked at the swarm yet."
        return
    yield from (f"What it may hold is not known: {each}." for each in world.unread)
    if world.paused is not None:
        yield f'Reberth is paused ("{world.paused}"): `reberth resume`, so that a failover meanwhile is carried out.'
    for part in world.paused_parts:
        resume = f"`reberth resume --{part.kind} {part.name}`"
        yield f'{part.kind.capitalize()} {part.name} is paused ("{part.reason}"): {resume}.'
    yield from _of_swarm(facts)
    yield from (said for line in lines if (said := _of_volume(world, line, growing, now)))


def _of_swarm(facts: Facts) -> Iterator[str]:
    for node in facts.managers:
        status = node.manager_status
        if node.status.state != "ready" or (status is not None and status.reachability != "reachable"):
            yield f"Manager {node.name} is not there: while a controller is exchanged, one more would be missing."
    for role in ("controller", "node"):
        service = facts.own(role)
        update = None if service is None else service.update_status
        if service is not None and update is not None and update.state in _STUCK:
            yield (
                f"The last update of {service.name} did not go through ({update.state}: {update.message}): "
                f"`docker service ps --no-trunc {service.name}` says why."
            )


def _of_volume(world: World, line: VolumeLine, growing: Collection[str], now: float) -> str:
    said = _of_record((world.volumes or {}).get(VolumeName(line.volume)), now)
    if line.volume in growing:
        said = "is being made larger."
    paused = world.paused is not None and line.state == "waiting"  # was said of all of them
    if not said and line.state not in _AT_REST and not paused:
        said = f"is {line.state}: {line.reason}"
    return f"Volume {line.volume} {said}" if said else ""


def _of_record(record: VolumeRecord | None, now: float) -> str:
    """What an end of the controller would cut off."""
    if record is None:
        return ""
    if record.copying is not None:
        return f"is being made as a copy of {record.copy_of}: that would begin anew."
    if record.snapshots.wanted or record.snapshots.restoring is not None:
        return "is being copied for a snapshot, or restored from one: that would begin anew."
    if any(each.moment is Moment.GROWN and now - each.at < _SETTLES for each in record.history):
        return "has been made larger just now: its file system may follow still."
    return "" if record.intent is None else f"waits for an end of its {record.intent.operation.value}."


def _short(image: str) -> str:
    name, _, digest = image.partition("@")
    return f"{name}@{digest[:19]}" if digest else name

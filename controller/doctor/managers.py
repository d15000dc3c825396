"""Checks of Swarm's managers and of Reberth's own services. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from controller.doctor.findings import Check, Facts, Finding, error, note, warning

SECOND = 1_000_000_000  # Docker counts nanoseconds
_ACTIVE = "`docker node update --availability active NODE`"


def count(facts: Facts) -> Iterator[Finding]:
    many = len(facts.managers)
    if many == 1:
        text = "The swarm has one manager: when it dies, nothing fails over."
        yield warning("managers-one", "swarm", text, "Make two more: `docker node promote NODE`.")
    elif many and many % 2 == 0:
        text = f"{many} managers survive no more failures than {many - 1} do."
        yield note("managers-even", "swarm", text, "Use an odd number: `docker node promote` or `demote` one.")


def availability(facts: Facts) -> Iterator[Finding]:
    away = [node.name for node in facts.managers if node.spec.availability != "active"]
    if facts.managers and len(away) == len(facts.managers):
        text = "No manager is active: Swarm runs no controller anywhere, so nothing fails over or starts."
        yield error("managers-drained", "swarm", text, f"{_ACTIVE} on at least one, better on all managers.")
        return
    for name in away:
        text = f"Manager {name} is drained or paused: no controller runs there."
        yield note("manager-drained", name, text, f"{_ACTIVE} when the work on it is done.")


def reachability(facts: Facts) -> Iterator[Finding]:
    bad = [node for node in facts.managers if node.manager_status and node.manager_status.reachability != "reachable"]
    for node in bad:
        text = f"Manager {node.name} is not reachable for Swarm's leader."
        yield error("manager-unreachable", node.name, text, "Mend its network or its dockerd, or demote and remove it.")
    if bad and len(facts.managers) - len(bad) == len(facts.managers) // 2 + 1:
        text = "One more manager that dies ends the quorum: then nothing fails over."
        yield error("quorum-at-risk", "swarm", text, "Bring the unreachable managers back, or replace them.")


def cluster(facts: Facts) -> Iterator[Finding]:
    spec = facts.swarm.cluster.spec
    heartbeat = spec.dispatcher.heartbeat_period / SECOND
    if heartbeat < 3:
        text = f"Swarm's heartbeat is {heartbeat:g} s: when a manager dies, healthy nodes are called down for a while."
        yield warning("heartbeat-short", "swarm", text, "`docker swarm update --dispatcher-heartbeat 5s`.")
    if heartbeat > 30:
        text = f"Swarm's heartbeat is {heartbeat:g} s: Swarm notices a dead node after three of them."
        yield warning("heartbeat-long", "swarm", text, "`docker swarm update --dispatcher-heartbeat 5s`.")
    if spec.encryption_config.auto_lock_managers:
        text = "Autolock encrypts the nodes' keys: Reberth cannot use them as they are."
        yield error("autolock", "swarm", text, "`docker swarm update --autolock=false`.")
    if spec.ca_config.node_cert_expiry < 3600 * 24 * SECOND:
        text = "Node certificates end within a day: a node that is cut off that long must join anew."
        yield note("certificates-short", "swarm", text, "`docker swarm update --cert-expiry 2160h`.")


def own_services(facts: Facts) -> Iterator[Finding]:
    for role in ("controller", "node"):
        service = facts.own(role)
        if service is None:
            text = f"There is no service with the label reberth.role={role}."
            yield error(f"no-{role}-service", role, text, "Deploy deploy/stack.yml of this version.")
            continue
        state = service.update_status.state if service.update_status is not None else ""
        if state in {"paused", "rollback_paused", "rollback_started", "rollback_completed"}:
            said = service.update_status.message if service.update_status is not None else ""
            text = f"The last update of {service.name} did not go through ({state}: {said})."
            yield error("update-stuck", service.name, text, f"`docker service ps --no-trunc {service.name}` says why.")


def one_installation(facts: Facts) -> Iterator[Finding]:
    """Two share the records, and their node services exchange the gate in turn."""
    for role in ("controller", "node"):
        names = sorted(each.name for each in facts.owns(role))
        if len(names) > 1:
            text = f"Reberth is installed {len(names)} times: services {', '.join(names)} have the role {role}."
            cure = f"Keep one stack, and remove the other: `docker service rm {names[-1]}`. No volume is lost by that."
            yield error("installed-twice", role, text, cure)


def own_images(facts: Facts) -> Iterator[Finding]:
    images = {each.task.container_spec.image for role in ("controller", "node") if (each := facts.own(role))}
    if len(images) > 1:
        text = f"Controllers and node services are of different images: {', '.join(sorted(images))}."
        yield warning("images-differ", "reberth", text, "Deploy the stack again, with one image.")


def controllers_everywhere(facts: Facts) -> Iterator[Finding]:
    service = facts.own("controller")
    if service is None:
        return
    here = {
        task.node_id
        for task in facts.swarm.tasks
        if (task.service_id, task.desired_state, task.status.state) == (service.id, "running", "running")
    }
    for node in facts.managers:
        if node.spec.availability == "active" and node.status.state == "ready" and node.id not in here:
            text = f"No controller runs on manager {node.name}."
            yield warning("controller-missing", node.name, text, f"`docker service ps --no-trunc {service.name}`.")


CHECKS: tuple[Check, ...] = (
    count,
    availability,
    reachability,
    cluster,
    own_services,
    one_installation,
    own_images,
    controllers_everywhere,
)

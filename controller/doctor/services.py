"""Checks of the services that use Reberth's volumes: what would keep them from moving, or cost data. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from controller.doctor.findings import DRIVER, Check, Facts, Finding, error, is_ours, note, warning
from controller.doctor.managers import SECOND
from watchers.docker_json import Mount
from watchers.swarm_facts import ServiceFacts

RESTART_GAP = 60  # seconds after which Swarm starts a successor although the old container still runs
# Where an image declares its own volume below the folder that people mount: the data then stays on the node.
_DECLARED = {
    "postgres": "/var/lib/postgresql/data",
    "mysql": "/var/lib/mysql",
    "mariadb": "/var/lib/mysql",
    "mongo": "/data/db",
    "redis": "/data",
}


def _mounts(service: ServiceFacts, facts: Facts) -> list[Mount]:
    known = facts.volumes
    return [mount for mount in service.mounts if is_ours(mount, known)]


def writers(facts: Facts) -> Iterator[Finding]:
    for service in facts.users:
        shared = [mount.source for mount in _mounts(service, facts) if "{{" not in mount.source]
        replicas = service.spec.mode.replicated.replicas if service.spec.mode.replicated is not None else None
        if shared and replicas is None:
            text = f"Service {service.name} is global, but volume {shared[0]} has one writer."
            yield error("service-global", service.name, text, "Use mode: replicated with replicas: 1.")
        if shared and (replicas or 0) > 1:
            text = f"Service {service.name} has {replicas} replicas on volume {shared[0]}, which has one writer."
            cure = "Use replicas: 1, or a volume for each: deploy/examples/replicas.yml."
            yield error("service-replicas", service.name, text, cure)


def updates(facts: Facts) -> Iterator[Finding]:
    for service in facts.users:
        for word, update in (("update", service.spec.update_config), ("rollback", service.spec.rollback_config)):
            if update is not None and update.order == "start-first":
                text = f"Service {service.name} starts the new task first ({word}_config): two would write."
                yield error(f"{word}-start-first", service.name, text, f"{word}_config: {{order: stop-first}}.")


def restarts(facts: Facts) -> Iterator[Finding]:
    for service in facts.users:
        policy = service.task.restart_policy
        if policy.condition == "none":
            text = f"Service {service.name} is never started again (restart_policy condition none)."
            yield error("restart-none", service.name, text, "restart_policy: {condition: any}.")
        if policy.max_attempts:
            text = f"Swarm gives service {service.name} up after {policy.max_attempts} attempts, for good."
            cure = "Leave max_attempts out: an outage of the storage may last longer."
            yield warning("max-attempts", service.name, text, cure)
        if (policy.delay or 0) > 30 * SECOND:
            text = f"Service {service.name} waits {(policy.delay or 0) / SECOND:g} s before it starts again."
            yield note("restart-delay", service.name, text, "A restart delay of 5 s is enough for the disk to move.")
        grace = service.task.container_spec.stop_grace_period
        if grace is not None and grace > RESTART_GAP * SECOND:
            text = f"{service.name} may take {grace / SECOND:g} s to stop; Swarm starts the next task after 60 s."
            yield note("grace-long", service.name, text, "It waits for the old container then; nothing is lost by it.")


def placement(facts: Facts) -> Iterator[Finding]:
    for service in facts.users:
        constraints = [re.sub(r"\s+", "", each) for each in service.task.placement.constraints or ()]
        if f"node.labels.{facts.down_label}!=down" not in constraints:
            text = f"Service {service.name} lacks the constraint by which Swarm is told of a dead node at once."
            cure = f'placement: {{constraints: ["node.labels.{facts.down_label} != down"]}} (docs/performance.md).'
            yield note("constraint-missing", service.name, text, cure)
        if any(each.startswith(("node.hostname==", "node.id==")) for each in constraints):
            text = f"Service {service.name} is pinned to one node: it cannot move when that node dies."
            yield warning("service-pinned", service.name, text, "Constrain it by a label that several nodes bear.")


def places(facts: Facts) -> Iterator[Finding]:
    ours = {service.id: service for service in facts.users}
    for task in facts.swarm.tasks:
        service, node = ours.get(task.service_id), facts.node(task.node_id)
        if service is None or node is None or task.desired_state != "running" or node.manager_status is None:
            continue
        if node.manager_status.leader:
            text = (
                f"Service {service.name} runs on {node.name}, which leads Swarm: a failover takes an election longer."
            )
            yield note("on-leader", service.name, text, "Place databases on workers: constraint node.role == worker.")


def mounts(facts: Facts) -> Iterator[Finding]:
    for service in facts.users:
        for mount in _mounts(service, facts):
            if not mount.source:
                text = f"Service {service.name} mounts {mount.target} with our driver and no source."
                yield error("mount-anonymous", service.name, text, "Give the mount a source: a name for the volume.")
            if mount.read_only:
                text = f"Service {service.name} mounts {mount.source} read-only; it has it for itself all the same."
                yield note("mount-read-only", service.name, text, "Nothing, if that is meant.")
        yield from _declared(service, facts)
    for service in facts.swarm.services:
        for mount in service.mounts:
            if mount.type == "volume" and mount.source in facts.volumes and not is_ours(mount):
                text = f"Service {service.name} mounts {mount.source} without naming driver {DRIVER}."
                cure = "Name the driver: while the gate of a node is disabled, Docker would make a local volume there."
                yield warning("driver-unnamed", service.name, text, cure)


def _declared(service: ServiceFacts, facts: Facts) -> Iterator[Finding]:
    image, _, tag = service.task.container_spec.image.partition("@")[0].rpartition("/")[2].partition(":")
    below = _DECLARED.get(image)
    if below is None or (image == "postgres" and not _declares_data(tag)):
        return
    for mount in _mounts(service, facts):
        if mount.target != below and below.startswith(mount.target.rstrip("/") + "/"):
            text = f"Image {image} declares a volume at {below}, below {mount.target}: data goes there, not to ours."
            yield error("mount-above", service.name, text, f"Mount {mount.source} at {below}.")


def _declares_data(tag: str) -> bool:
    """From 18 on the image of PostgreSQL declares /var/lib/postgresql (docker-library/postgres, pull request 1259)."""
    version = re.match(r"\d+", tag)
    return version is not None and int(version.group()) < 18


def options(facts: Facts) -> Iterator[Finding]:
    said: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for service in facts.users:
        for mount in _mounts(service, facts):
            if mount.source and mount.driver.options:
                said[mount.source][service.name] = dict(mount.driver.options)
    for volume, by_service in said.items():
        if len({tuple(sorted(each.items())) for each in by_service.values()}) > 1:
            text = f"Services {', '.join(sorted(by_service))} name volume {volume} with different options."
            yield warning("options-differ", volume, text, "Use the same driver_opts in all of them.")


def networks(facts: Facts) -> Iterator[Finding]:
    overlays = {each.id: each.name for each in facts.swarm.networks if each.driver == "overlay"}
    overlays |= {name: name for name in overlays.values()}
    for service in facts.users:
        for network in service.task.networks or ():
            if network.target in overlays:
                text = f"Service {service.name} is on an overlay network: Docker may wait 10 s for dead peers there."
                cure = "Publish its port in host mode and use the node's bridge, as deploy/examples/postgres.yml does."
                yield note("overlay", service.name, text, cure)


CHECKS: tuple[Check, ...] = (writers, updates, restarts, placement, places, mounts, options, networks)

"""Checks of what would hold a failover up: who could take a volume, whom nobody believes, what a record hides. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from controller.doctor.findings import Check, Facts, Finding, error, note, warning
from controller.model import Detect, FencePolicy, NodeId, NodeState, World
from controller.names import VOLUME_CONFIG

KEEPER_LABEL = "reberth.records"  # on the services that name the records


def targets(facts: Facts) -> Iterator[Finding]:
    nodes = (facts.world.nodes or {}).values() if facts.world is not None else ()
    able = [node for node in nodes if node.state is NodeState.READY and node.available and node.vm is not None]
    if len(able) == 1 and len(facts.swarm.nodes) > 1:
        text = f"Only node {able[0].hostname} can take volumes: when it dies, nothing can go anywhere."
        cure = "Bring other nodes back, or make them active: `docker node ls`; their VM must be known, too."
        yield warning("nowhere-to-go", "swarm", text, cure)


def storm(facts: Facts) -> Iterator[Finding]:
    many, fraction = len(facts.swarm.nodes), facts.policy.max_down_fraction
    if many > 1 and fraction * many < 1:
        text = f"max_down_fraction {fraction:g} of {many} nodes is less than one: a single dead node counts as a storm."
        cure = f"Say max_down_fraction = {ceil(100 / many) / 100:g} or more under [policy]."
        yield error("storm-always", "reberth", text, cure)


def doubted(facts: Facts) -> Iterator[Finding]:
    world = facts.world
    for node_id, why in sorted(world.refused.items() if world is not None else ()):
        name = _name(world, node_id)
        text = f"Node {name} is not believed to be the VM that it names: {why}."
        yield error("vm-refused", name, text, "As the sentence says; until then it gets no disk.")


def left_behind(facts: Facts) -> Iterator[Finding]:
    """Swarm gives a new ID to a machine that joins again, and keeps the old one for ever."""
    nodes = [node for node in (facts.world.nodes or {}).values() if node.vm] if facts.world is not None else []
    ready = {node.vm: node.id for node in nodes if node.state is NodeState.READY}
    for node in nodes:
        if node.state is NodeState.DOWN and node.vm in ready:
            text = f"Node {node.hostname} ({node.id}) was left behind: its VM is in the swarm as {ready[node.vm]} now."
            yield note("node-left-behind", node.hostname, text, f"`docker node rm {node.id}`.")


def _name(world: World | None, node_id: NodeId) -> str:
    node = None if world is None else (world.nodes or {}).get(node_id)
    return node_id if node is None else node.hostname


def words(facts: Facts) -> Iterator[Finding]:
    """What people said, and forgot."""
    for said in facts.world.confirmations if facts.world is not None else ():
        name = _name(facts.world, said.node)
        text = f"{said.by or 'A person'} said that node {name} is dead, and that word still counts."
        cure = f"If it will not come back: `docker node rm {said.node}`. The word is forgotten when it is ready again."
        yield note("confirmed-dead", name, text, cure)


def records(facts: Facts) -> Iterator[Finding]:
    for key, why in sorted(facts.world.unreadable.items() if facts.world is not None else ()):
        cure = "Run the version that wrote it on all managers; or restore it: `reberth import` of an export."
        yield error("record-unreadable", key, f"The record of volume {key} cannot be read: {why}", cure)


def unkept(facts: Facts) -> Iterator[Finding]:
    stored = (facts.world.volumes or {}).values() if facts.world is not None else ()
    named = set(_named(facts))
    bare = sorted(each.name for each in stored if f"{VOLUME_CONFIG}{each.key}" not in named)
    if bare:
        text = f"No service names the records of {', '.join(bare)}: a clean-up of unused configs takes them away."
        cure = "It mends itself in a minute; if not: `docker service ls --filter label=reberth.records`, and the log."
        yield warning("records-unkept", "reberth", text, cure)


def _named(facts: Facts) -> Iterator[str]:
    """The configs that keepers name: `controller.records.keepers`."""
    for service in facts.swarm.services:
        if KEEPER_LABEL in (service.spec.labels or {}):
            yield from (each.config_name for each in service.task.container_spec.configs or ())


def claims(facts: Facts) -> Iterator[Finding]:
    found = facts.world.claims or {} if facts.world is not None else {}
    for name, claim in sorted(found.items()):
        for service in claim.given_up:
            text = f"Swarm has given up service {service}, which uses volume {name}, by its restart_policy."
            yield error("given-up", service, text, f"`docker service update --force {service}` starts it again.")
        for refused in claim.refused:
            text = f"Service {refused.service} wants volume {name} beside the service that has it: {refused.why}"
            yield warning("second-service", refused.service, text, "Give it a volume of its own.")


def detector(facts: Facts) -> Iterator[Finding]:
    """Whether the choice of our own detector does anything."""
    policy = facts.policy
    if policy.detect is not Detect.GATE:
        return
    stored = (facts.world.volumes or {}).values() if facts.world is not None else ()
    chosen = {policy.fence, *(each.spec.policy for each in stored)}
    if FencePolicy.POWER_OFF not in chosen or not policy.node_label:
        text = 'detect = "gate" does nothing: it acts by the fence policy power-off and the node label alone.'
        cure = 'Say fence = "power-off" under [policy], or policy: power-off of a volume, and keep node_label.'
        yield warning("detect-idle", "reberth", text, cure)
    if facts.own("node") is None:
        text = 'detect = "gate" suspects nobody: no node service runs, whose beats it listens for.'
        cure = "Deploy the stack as deploy/stack.yml has it, with its node service."
        yield warning("detect-deaf", "reberth", text, cure)


CHECKS: tuple[Check, ...] = (targets, storm, detector, doubted, left_behind, words, records, unkept, claims)

"""
What a person can do about a volume that waits: the second line of `reberth explain VOLUME`. Pure.

The reason says what is awaited, this says what would end it. A wait that ends by itself says that, too: whoever reads
it at night wants to know whether to go back to bed.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.actions import Action, Alarm, Refuse, Wait
from controller.case import ALL_RULES, Case, case_of, index_of
from controller.evidence import where
from controller.model import Policy, VolumeName, World
from controller.placement import Placement, classify, holder

NOBODY = "nothing to do"

# {node}: the node of the claim; {holder}: the one that may still write; {service}: who wants it; {volume}.
_CURES: Mapping[Placement, str] = {
    Placement.NO_RECORD: "Nothing for some seconds. If it stays so, see what keeps Docker: "
    "`docker service ps --no-trunc {service}`.",
    Placement.CONFLICT: "Change what the reason names in the stack file, and deploy it again.",
    Placement.DOOMED_CLAIMED: "Remove the service (`docker service rm {service}`; the data goes then), or name "
    "another volume in it.",
    Placement.SOURCE_BUSY: "Scale the service that uses the source to 0 (`docker service scale SERVICE=0`) until the "
    "copy is made; if no service uses it, nothing: its disk is being freed.",
    Placement.DEPOSED: "Nothing: the newer leader goes on. `reberth status` shows which node that is.",
    Placement.UNCERTAIN: "Nothing, usually. If it lasts for minutes, see in the storage system what it does with "
    "this disk ({where}).",
    Placement.UNKNOWN_VM: "Mend what the reason names about node {node}, or move the task to another node: "
    "`docker node update --availability drain {node}`.",
    Placement.HELD_READY: "End the container that uses volume {volume} on node {holder}: `docker ps` there shows it.",
    Placement.HELD_SILENT: "On node {holder}: `docker plugin enable reberth`, or restart Docker there. If the node is "
    "lost, power its VM off.",
    Placement.HELD_UNCLEAR: "Nothing for some 30 s: Swarm decides by then. `docker node ls` shows it.",
    Placement.HELD_GRACE: "Nothing: it goes on by itself. Sooner, if node {holder} comes back or you power its VM off.",
    Placement.HELD_IDLE: "Bring node {holder} back, or give the task a node that is ready: see `docker node ls` and "
    "the placement constraints of its service.",
    Placement.IDLE: "See what keeps Swarm from placing the task: `docker service ps --no-trunc {service}`.",
    Placement.TARGET_AWAY: "Bring node {node} back, or let Swarm place the task elsewhere: "
    "`docker node update --availability drain {node}`.",
    Placement.TARGET_FULL: "Move a service with a volume away from node {node}, or this one to another node by a "
    "placement constraint.",
    Placement.TARGET_SILENT: "On node {node}: `docker plugin enable reberth`. If that does not help, restart Docker "
    "there, or drain the node: `docker node update --availability drain {node}`.",
    Placement.LET_GO: "Nothing for half a minute. If it stays so, ask Swarm for a new task: "
    "`docker service update --force {service}`.",
    Placement.SETTLED: "Mend on node {node} what its gate reports; the data was not changed by it.",
}
_LOOKS_AGAIN = "Nothing: it is looked at again within seconds. If it stays so, see the controller's log."


def cure(action: Action | None, world: World, policy: Policy, name: VolumeName) -> str:
    """One or two sentences, never empty; `NOBODY` while work is under way or all is well."""
    match action:
        case Alarm():
            return action.cure
        case Wait() | Refuse():
            return _everywhere(world, policy) or _here(case_of(index_of(world, policy, ALL_RULES), name))
        case _:
            return NOBODY


def _everywhere(world: World, policy: Policy) -> str | None:
    """What holds all volumes at once, in the order in which the planner asks."""
    if world.paused is not None:
        return "When the work is done: `reberth resume`."
    if policy.capabilities.max_disks_per_vm <= 0:
        return (
            "Name a driver under [storage] in the controller's configuration (deploy/examples has one), and deploy "
            "the stack again."
        )
    if None in (world.nodes, world.claims, world.volumes):
        return (
            "Bring back the managers that do not answer: most of them are needed. `docker node ls` on a manager "
            "shows them; it goes on by itself then."
        )
    if world.attachments is None:
        return (
            "See that the storage system answers, and takes the controller's user and password; it goes on by "
            "itself then."
        )
    if not policy.capabilities.exclusive_attach:
        return "Name another driver under [storage] in the controller's configuration, and deploy the stack again."
    return None


def _here(case: Case) -> str:
    held = holder(case) if case.record is not None else None
    task = case.claim.tasks[0] if case.claim is not None and case.claim.tasks else None
    under = None if held is None else case.index.under.get(held[0])
    return _CURES.get(classify(case), _LOOKS_AGAIN).format(
        volume=case.name,
        node="?" if case.target is None else case.target.hostname,
        holder=under.hostname if under is not None else "?",
        service="?" if task is None else task.service,
        where=where(case),
    )

"""
The decision table: one row a placement. Pure.

A row says what is done (``step``), and what a person can do about it while it lasts (``remedy``, the second line of
`reberth explain VOLUME`): the reason says what is awaited, the remedy what would end it. A wait that ends by itself
says that, too: whoever reads it at night wants to know whether to go back to bed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.planner import lifetime, steps, takeover
from controller.planner.actions import Action
from controller.planner.context import VolumeContext
from controller.planner.placement import Placement
from controller.planner.silence import steps as silent

WORK = "Nothing: it is looked at again within seconds. If it stays so, see the controller's log."
OWN = "See the reason."  # an alarm says itself what would help


@dataclass(frozen=True, slots=True)
class Row:
    """
    ``remedy`` is filled in with {node} (of the claim), {holder} (the node that may still write), {service} (who wants
    the volume), {disk} (where its disk is) and {volume}. It is told only while the step waits or refuses.
    """

    placement: Placement
    step: Callable[[VolumeContext], Action]
    remedy: str = WORK


_ROWS = (
    Row(
        Placement.PAUSED, lifetime.paused, "When the work is done, end the pause by the command that the reason names."
    ),
    Row(
        Placement.NO_RECORD,
        steps.no_record,
        "Nothing for some seconds. If it stays so, see what keeps Docker: `docker service ps --no-trunc {service}`. "
        "If it found references to the volume, containers from before the swarm was made anew are left on that node: "
        "remove those of `docker ps --all --filter volume={volume}` that have ended.",
    ),
    Row(Placement.CONFLICT, steps.conflict, "Change what the reason names in the stack file, and deploy it again."),
    Row(
        Placement.DOOMED_CLAIMED,
        lifetime.doomed_claimed,
        "Take the removal back (`reberth undelete {volume}`) while the disk is there. Or remove the service (`docker "
        "service rm {service}`; the data goes then), or name another volume in it.",
    ),
    Row(Placement.NO_DISK, lifetime.no_disk),
    Row(
        Placement.SOURCE_BUSY,
        lifetime.source_busy,
        "Scale the service that uses the source to 0 (`docker service scale SERVICE=0`) until the copy is made; if no "
        "service uses it, nothing: its disk is being freed.",
    ),
    Row(
        Placement.DEPOSED,
        steps.deposed,
        "Nothing: the newer leader goes on. `reberth status` shows which node that is.",
    ),
    Row(
        Placement.UNLISTED,
        steps.unlisted,
        "Mend what the reason names in the storage system or the hypervisor; it goes on by itself then.",
    ),
    Row(
        Placement.UNCERTAIN,
        steps.uncertain,
        "Nothing, usually. If it lasts for minutes, see in the storage system what it does with this disk ({disk}).",
    ),
    Row(Placement.ON_MANY, steps.on_many, OWN),
    Row(Placement.IN_DOUBT, steps.in_doubt),
    Row(
        Placement.UNKNOWN_VM,
        steps.unknown_vm,
        "Mend what the reason names about node {node}, or move the task to another node: "
        "`docker node update --availability drain {node}`.",
    ),
    Row(Placement.PROVEN, takeover.proven),
    Row(Placement.SUPERSEDED, takeover.superseded),
    Row(
        Placement.HELD_READY,
        takeover.held_ready,
        "End the container that uses volume {volume} on node {holder}: `docker ps` there shows it.",
    ),
    Row(
        Placement.HELD_SILENT,
        takeover.held_silent,
        "On node {holder}: `docker plugin enable reberth`, or restart Docker there. If the node is lost, power its VM "
        "off.",
    ),
    Row(
        Placement.HELD_UNCLEAR,
        takeover.held_unclear,
        "Nothing for some 30 s: Swarm decides by then. `docker node ls` shows it.",
    ),
    Row(
        Placement.HELD_GRACE,
        takeover.held_grace,
        "Nothing: it goes on by itself. Sooner, if node {holder} comes back or you power its VM off.",
    ),
    Row(
        Placement.HELD_ALIVE,
        takeover.held_alive,
        "Nothing: it goes on by itself. If node {holder} stays down in `docker node ls`, restart Docker there.",
    ),
    Row(Placement.HELD_UNSEEN, takeover.held_unseen, OWN),
    Row(
        Placement.HELD_IDLE,
        takeover.held_idle,
        "Bring node {holder} back, or give the task a node that is ready: see `docker node ls` and the placement "
        "constraints of its service.",
    ),
    Row(Placement.HELD_RUNNING, takeover.held_running, OWN),
    Row(Placement.DOOMED_ATTACHED, lifetime.doomed_attached),
    Row(
        Placement.KEPT,
        lifetime.kept,
        "Take it back: `reberth undelete {volume}`. Delete its disk at once: `reberth remove {volume} --now`.",
    ),
    Row(
        Placement.DOOMED,
        lifetime.doomed,
        "Nothing: it is done by itself. `reberth snapshot list {volume}` says what keeps a snapshot that stays.",
    ),
    Row(Placement.OFF, steps.off),
    Row(Placement.SILENT_GRACE, silent.within_grace, OWN),
    Row(Placement.SILENT, silent.fence, OWN),
    Row(
        Placement.RESTORING,
        lifetime.restored,
        "Nothing: it is done by itself. `reberth snapshot list {volume}` says what keeps it; `reberth snapshot restore "
        "{volume} --end` gives it up.",
    ),
    Row(Placement.LENT, steps.lent),
    Row(Placement.LEAVING, takeover.leaving),
    Row(
        Placement.IDLE,
        steps.idle,
        "See what keeps Swarm from placing the task: `docker service ps --no-trunc {service}`.",
    ),
    Row(
        Placement.TARGET_AWAY,
        steps.target_away,
        "Bring node {node} back, or let Swarm place the task elsewhere: "
        "`docker node update --availability drain {node}`.",
    ),
    Row(
        Placement.TARGET_FULL,
        steps.target_full,
        "Move a service with a volume away from node {node}, or this one to another node by a placement constraint.",
    ),
    Row(Placement.ELSEWHERE, steps.elsewhere),
    Row(Placement.NOWHERE, steps.nowhere),
    Row(
        Placement.TARGET_SILENT,
        silent.target_silent,
        "On node {node}: `docker plugin enable reberth`. If that does not help, restart Docker there, or drain the "
        "node: `docker node update --availability drain {node}`.",
    ),
    Row(Placement.UNSTAMPED, steps.unstamped),
    Row(Placement.OUTDATED, steps.outdated),
    Row(
        Placement.PREDECESSOR,
        steps.predecessor,
        "Nothing while its stop_grace_period lasts. Else on node {node}: `docker ps --filter volume={volume}` shows "
        "the container, `docker kill` ends it; one that cannot be killed ends when the node is restarted.",
    ),
    Row(Placement.UNGRANTED, steps.ungranted),
    Row(
        Placement.LET_GO,
        steps.let_go,
        "Nothing for half a minute. If it stays so, ask Swarm for a new task: "
        "`docker service update --force {service}`.",
    ),
    Row(Placement.ASTRAY, steps.astray, OWN),
    Row(
        Placement.SETTLED,
        steps.settled,
        "Mend on node {node} what its gate reports; the data was not changed by it.",
    ),
)
TABLE: Mapping[Placement, Row] = {row.placement: row for row in _ROWS}

"""What a person can do about a volume that waits: the second line of `reberth explain VOLUME`. Pure."""

from __future__ import annotations

from controller.model import Claim, Policy, World
from controller.planner.actions import Alarm, Refuse, Wait
from controller.planner.context import VolumeContext
from controller.planner.evidence import disk_place, holding_node
from controller.planner.plan import Decision
from controller.planner.table import TABLE, WORK

NOBODY = "nothing to do"


def remedy(decision: Decision | None, world: World, policy: Policy) -> str:
    """One or two sentences, never empty; `NOBODY` while work is under way or all is well."""
    if decision is None:
        return NOBODY
    match decision.action:
        case Alarm(cure=cure):
            return cure
        case Wait() | Refuse():
            return _everywhere(decision, world, policy) or getattr(decision.action, "cure", None) or _here(decision)
        case _:
            return NOBODY


def _everywhere(decision: Decision, world: World, policy: Policy) -> str | None:
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
    if world.attachments is None and decision.placement is None:
        return (
            "Do what the reason says, or see that the storage system answers, and takes the controller's user and "
            "password; it goes on by itself then."
        )
    if not policy.capabilities.exclusive_attach:
        return "Name another driver under [storage] in the controller's configuration, and deploy the stack again."
    return None


def _here(decision: Decision) -> str:
    ctx = decision.context
    if ctx is None or decision.placement is None:
        return WORK
    return TABLE[decision.placement].remedy.format(
        volume=ctx.name,
        node=ctx.target_name,
        holder=_holder(ctx),
        service=_service(ctx.claim),
        disk=disk_place(ctx),
    )


def _service(claim: Claim | None) -> str:
    if claim is None:
        return "?"
    return claim.tasks[0].service if claim.tasks else next(iter(claim.given_up), "?")


def _holder(ctx: VolumeContext) -> str:
    held = ctx.rules.holder(ctx) if ctx.record is not None else None
    if held is None:
        return "?"
    node = holding_node(ctx, held[0])
    return f"of VM {held[0]}" if node is None else node.hostname

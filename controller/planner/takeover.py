"""
Steps while somebody else may still write: the claim is here, a grant is there. Pure.

In order: drop grants that are proven dead, revoke those that are still valid, then wait for evidence or make it.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.model import DiskId, Evidence, FencePolicy, MountState, NodeId, Power, VmId
from controller.planner.actions import Action, Alarm, Detach, DropGrants, Fence, Revoke, Wait
from controller.planner.context import VolumeContext
from controller.planner.evidence import (
    PATIENCE,
    Holder,
    disk_place,
    holding_node,
    idle_evidence,
    left_to_join,
    list_counts,
    vm_label,
)
from controller.planner.silence import silence

STILL = "still "
LOOK_AGAIN = 2.0  # seconds after which a look at something that changes by itself makes sense


def proven(ctx: VolumeContext) -> Action:
    vm, boot = _holder(ctx)
    grants = tuple(g for g in ctx.foreign if (g.vm, g.boot) == (vm, boot))
    return with_evidence(ctx, ctx.rules.evidence(ctx, vm, boot), lambda found: DropGrants(ctx.name, grants, found))


def superseded(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    wanted = f"node {ctx.target.hostname} should have it" if ctx.target is not None else "no task wants it there"
    return Revoke(
        ctx.name, f"Volume {ctx.name}: {wanted}, so the permission to mount it on {vm_label(ctx, vm)} is taken back."
    )


def held_ready(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    said = ctx.gate_word(vm)
    if said is not None and said.problem:
        why = (
            f"Volume {ctx.name} cannot be unmounted on {vm_label(ctx, vm)}: {said.problem}. It moves as soon as it is."
        )
        return suffering(ctx, vm, why) if said.suffers else Wait(ctx.name, why)
    if said is not None and said.state is MountState.MOUNTED and _unlisted(ctx, vm):
        return _contradicted(ctx, vm)
    why = (
        f"Volume {ctx.name} is still in use on {vm_label(ctx, vm)}; its gate was asked to let it go, which it does "
        "when the old container has ended."
    )
    return Wait(ctx.name, why)


def suffering(ctx: VolumeContext, vm: VmId, why: str) -> Action:
    """Its containers cannot read or write as they should: nobody would look at a mere wait."""
    node = holding_node(ctx, vm)
    cure = (
        f"On node {'?' if node is None else node.hostname} see the kernel's log (`dmesg`), and in the storage system "
        "whether that VM reaches the disk. A disk that answers again ends this by itself. A file system that is "
        f"read-only or shut down is mended when its container ends: `docker service update --force {_service(ctx)}`; "
        "where the container cannot end, restart the node."
    )
    return Alarm(ctx.name, why, cure)


def _service(ctx: VolumeContext) -> str:
    tasks = () if ctx.claim is None else ctx.claim.tasks
    return tasks[0].service if tasks else ctx.entry.service or "SERVICE"


def _unlisted(ctx: VolumeContext, vm: VmId) -> bool:
    """Whether the storage says that the disk is not on a VM that it sees."""
    return ctx.attachment(vm) is None and list_counts(ctx, vm)


def _contradicted(ctx: VolumeContext, vm: VmId) -> Action:
    why = (
        f"Volume {ctx.name}: the storage lists its disk on {disk_place(ctx)}, no longer on {vm_label(ctx, vm)}, but "
        "the gate there says that it is mounted: neither is believed, and nothing is done."
    )
    return Alarm(
        ctx.name,
        why,
        "See in the storage system whether the disk was moved or renamed, and undo that. If it is really gone from "
        "that VM, the gate finds out within seconds, and the volume moves on by itself.",
    )


def leaving(ctx: VolumeContext) -> Action:
    why = "is used by nobody, and its node takes no tasks: the disk leaves that VM, which may be deleted with its disks"
    return take(ctx, f"Volume {ctx.name} {why}")


def held_silent(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    why = (
        f"Volume {ctx.name} may be mounted on {vm_label(ctx, vm)}, which is ready, but the gate there was not heard "
        f"for {ctx.index.policy.gate_fresh:.0f} s. On that node see `docker plugin ls` (reberth must be enabled), or "
        "power the VM off."
    )
    return Wait(ctx.name, why)


def held_unclear(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    why = (
        f"Volume {ctx.name} may be mounted on {vm_label(ctx, vm)}; Swarm does not know yet whether that node lives "
        "(usual for about 30 s after a change of leader)."
    )
    return Wait(ctx.name, why)


def held_grace(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    node = holding_node(ctx, vm)
    seen = ctx.index.power(vm).value
    policy = _policy(ctx).value
    if node is None:
        then = "then a person has to look" if strange(ctx, vm) else f"then the fence policy {policy!r} acts"
        why = (
            f"Volume {ctx.name} may be mounted on VM {vm}, whose node is not in the swarm; the VM is seen {seen!r}. "
            f"Waiting for it to join or to be seen off, {then}."
        )
        return Wait(ctx.name, why, max(0.0, left_to_join(ctx, vm)), counting=True)
    left = max(0.0, ctx.index.policy.grace - silence.missed_for(ctx, node))
    why = (
        f"Volume {ctx.name} may be mounted on {vm_label(ctx, vm)}, which is down; its VM is seen {seen!r}. "
        f"Waiting for the node to come back or the VM to be seen off, then the fence policy {policy!r} acts."
    )
    return Wait(ctx.name, why, left, counting=True)


def held_alive(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    node = holding_node(ctx, vm)
    down_for = 0.0 if node is None else node.down_for or 0.0
    why = (
        f"Volume {ctx.name} may be mounted on {vm_label(ctx, vm)}, which Swarm calls down, but its gate was heard "
        "since: the node lives. Waiting for Swarm to hear it, too; if it does not, the fence policy "
        f"{_policy(ctx).value!r} acts."
    )
    return Wait(ctx.name, why, max(0.0, PATIENCE - down_for), counting=True)


def held_unseen(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    if strange(ctx, vm):
        return _with_a_stranger(ctx, vm)
    why = (
        f"Volume {ctx.name} may be mounted on {vm_label(ctx, vm)}, which is down, and the hypervisor cannot say "
        "whether that VM runs. "
        "Unknown is never taken for dead."
    )
    return Alarm(ctx.name, why, _confirm(ctx, vm))


def held_idle(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    if strange(ctx, vm):
        return Wait(ctx.name, f"Volume {ctx.name}: {_by_whom(ctx, vm)} No task waits for it.")
    why = (
        f"Volume {ctx.name} was last used on {vm_label(ctx, vm)}, which is down while its VM "
        f"{_runs(ctx, vm).removeprefix(STILL)}; no ready node waits for the volume, so nothing is forced."
    )
    return Wait(ctx.name, why)


def held_running(ctx: VolumeContext) -> Action:
    vm, _ = _holder(ctx)
    if ctx.index.storm is not None:
        return Alarm(ctx.name, f"Volume {ctx.name}: {ctx.index.storm}.", _confirm(ctx, vm))
    return _with_a_stranger(ctx, vm) if strange(ctx, vm) else _forced(ctx, vm)


def _forced(ctx: VolumeContext, vm: VmId) -> Action:
    """By the policy; it asks for a person where that forces nothing."""
    policy, cuts = _policy(ctx), ctx.index.policy.capabilities.detach_cuts_io
    why = f"Volume {ctx.name}: {_gone(ctx, vm)} {_runs(ctx, vm)}"
    if policy is FencePolicy.HOLD:
        return Alarm(ctx.name, f"{why}; policy 'hold' forces nothing.", _confirm(ctx, vm))
    if policy is FencePolicy.DETACH and cuts and ctx.attachment(vm) is not None:
        return Detach(
            ctx.name,
            disk_of(ctx),
            vm,
            None,
            f"{why}; the disk is taken from it, which ends its writes (policy 'detach').",
        )
    if policy is FencePolicy.DETACH and cuts:
        return _contradicted(ctx, vm)  # were the list believed, there would be evidence
    node = holding_node(ctx, vm)
    fenced = node.id if node is not None else NodeId("")
    note = "policy 'power-off'" if policy is FencePolicy.POWER_OFF else "this storage cannot cut its writes"
    return Fence(ctx.name, vm, fenced, f"{why}; it is powered off ({note}).")


def _runs(ctx: VolumeContext, vm: VmId) -> str:
    return f"{STILL}runs" if ctx.index.power(vm) is Power.ON else "may still run, as far as anybody can see"


def strange(ctx: VolumeContext, vm: VmId) -> bool:
    """Whether neither Swarm nor the record knows this VM: nothing is forced on a machine that may be anybody's."""
    return vm not in ctx.index.node_on and not ctx.foreign


def _with_a_stranger(ctx: VolumeContext, vm: VmId) -> Action:
    return Alarm(
        ctx.name,
        f"Volume {ctx.name}: {_by_whom(ctx, vm)}",
        f"See who uses disk {disk_of(ctx)} on VM {vm}, end that, and detach it there in the storage system, or power "
        "that VM off. The volume moves on by itself then.",
    )


def _by_whom(ctx: VolumeContext, vm: VmId) -> str:
    return (
        f"its disk is on {vm_label(ctx, vm)}, whose power is {ctx.index.power(vm).value!r}, and the record does not "
        "know how it came there (by hand, or after the backup that the swarm was restored from): it may be in use."
    )


def with_evidence(ctx: VolumeContext, proof: Evidence | None, act: Callable[[Evidence], Action]) -> Action:
    """Act only with evidence in hand; a placement that promised it and has none is waited out, never acted on."""
    if proof is None:
        return Wait(
            ctx.name, f"Volume {ctx.name}: no evidence about its old holder ({disk_place(ctx)}) yet.", LOOK_AGAIN
        )
    return act(proof)


def disk_of(ctx: VolumeContext) -> DiskId:
    disk = ctx.entry.disk
    if disk is None:
        msg = f"volume {ctx.name} has no disk"
        raise LookupError(msg)
    return disk


def _gone(ctx: VolumeContext, vm: VmId) -> str:
    known = holding_node(ctx, vm) is not None
    return f"node {_name(ctx, vm)} is down and its VM {vm}" if known else f"no node of the swarm is on VM {vm}, which"


def _policy(ctx: VolumeContext) -> FencePolicy:
    return ctx.entry.spec.policy or ctx.index.policy.fence


def _confirm(ctx: VolumeContext, vm: VmId) -> str:
    name = _name(ctx, vm)
    return (
        f"Bring node {name} back or power VM {vm} off. If it is dead for sure and can never write again: "
        f'`reberth confirm-dead {name} --reason "..."`.'
    )


def _name(ctx: VolumeContext, vm: VmId) -> str:
    node = holding_node(ctx, vm)
    return node.hostname if node is not None else vm


def _holder(ctx: VolumeContext) -> Holder:
    held = ctx.rules.holder(ctx)
    if held is None:
        msg = f"volume {ctx.name} is held by nobody"
        raise LookupError(msg)
    return held


def take(ctx: VolumeContext, why: str) -> Action:
    """Detach from where it is, which nobody holds any more."""
    vm = ctx.disk_vm
    if vm is None:
        return Wait(ctx.name, f"{why}.")
    return with_evidence(
        ctx, idle_evidence(ctx, vm), lambda proof: Detach(ctx.name, disk_of(ctx), vm, proof, f"{why}.")
    )

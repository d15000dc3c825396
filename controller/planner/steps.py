"""
What follows from each placement where nobody else may still write: one step each. Pure.

Reasons are sentences for a person at 3 o'clock: the volume, the node, the VM, what is awaited, and what can be done.
They end up in the ERROR column of `docker service ps`, in `reberth explain` and in the log.
"""

from __future__ import annotations

from controller.model import ClaimTask, GateVolume, Grant, MountState, Serial, VmId
from controller.planner import placement, takeover
from controller.planner.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    GrantMount,
    NewEpoch,
    Refuse,
    Revoke,
    Wait,
)
from controller.planner.context import VolumeContext
from controller.planner.evidence import disk_place, vm_label
from controller.planner.placement import next_task

MEND_THERE = "Mend on node {node} what its gate reports; the data was not changed by it. Swarm tries again by itself."

MEND_ODD = "Mend in the storage system or the hypervisor what the reason names; it goes on by itself then."


def no_record(ctx: VolumeContext) -> Action:
    return Wait(
        ctx.name,
        f"Volume {ctx.name} is not known yet: Docker makes it when it prepares the container on the task's node.",
    )


def conflict(ctx: VolumeContext) -> Action:
    return Refuse(ctx.name, f"Volume {ctx.name}: {ctx.claim.conflict if ctx.claim else ''}")


def lent(ctx: VolumeContext) -> Action:
    restoring = ctx.entry.snapshots.restoring
    if restoring is not None:
        return takeover.take(ctx, f"Volume {ctx.name} is to be restored from its snapshot {restoring.snapshot}")
    what = "a snapshot" if ctx.copier == ctx.name else f"volume {ctx.copier}"
    return takeover.take(ctx, f"Volume {ctx.name} is used by nobody, and is to be copied for {what}")


def deposed(ctx: VolumeContext) -> Action:
    why = (
        f"Volume {ctx.name}: its record or its disk bears the epoch of a newer leader than this controller "
        f"(epoch {ctx.index.world.epoch}); that one decides."
    )
    return Wait(ctx.name, why, takeover.LOOK_AGAIN)


def unlisted(ctx: VolumeContext) -> Action:
    gaps = ctx.index.world.unlisted
    more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
    why = (
        f"Volume {ctx.name}: its disk is on no machine that the storage could read, so it may be on one that it could "
        f"not: {gaps[0] if gaps else 'unknown'}{more}. Volumes whose disk is seen go on."
    )
    return Wait(ctx.name, why, takeover.LOOK_AGAIN)


def uncertain(ctx: VolumeContext) -> Action:
    if ctx.entry.disk is not None and (odd := ctx.index.world.odd.get(ctx.entry.disk)) is not None:
        return Alarm(ctx.name, f"Volume {ctx.name}: {odd}. Until then nothing is done to it.", MEND_ODD)
    why = f"Volume {ctx.name}: the storage system is still at work on its disk ({disk_place(ctx)}); looking again."
    return Wait(ctx.name, why, takeover.LOOK_AGAIN)


def on_many(ctx: VolumeContext) -> Action:
    return Alarm(
        ctx.name,
        f"Volume {ctx.name} is attached to several VMs at once: {disk_place(ctx)}. Nothing is touched.",
        "Stop the containers that use it, see in the storage system which VM wrote last, and detach the disk "
        "from the others there.",
    )


def in_doubt(ctx: VolumeContext) -> Action:
    intent = ctx.entry.intent
    what = "a call" if intent is None else f"the {intent.operation.value} asked for"
    vm = "" if intent is None or intent.vm is None else f" on {vm_label(ctx, intent.vm)}"
    why = (
        f"Volume {ctx.name}: {what}{vm} got no answer and may still happen; a new epoch makes it void before "
        "anything else is done."
    )
    return NewEpoch(ctx.name, why)


def unknown_vm(ctx: VolumeContext) -> Action:
    node = ctx.target
    if node is not None and node.vm in ctx.index.shared_vms:
        why = (
            f"Volume {ctx.name}: node {node.hostname} and another ready node report the same VM {node.vm}. "
            "Give each virtual machine its own SMBIOS UUID (clones share it), then restart the reberth node "
            "service there."
        )
        return Refuse(ctx.name, why)
    name = "?" if node is None else node.hostname
    if node is not None and node.id in ctx.index.world.refused:
        return Refuse(ctx.name, f"Volume {ctx.name}: {ctx.index.world.refused[node.id]}.")
    why = (
        f"Volume {ctx.name}: it is not known which virtual machine node {name} is. "
        f"See that the reberth node service runs there: `docker service ps reberth_node --filter node={name}`."
    )
    return Refuse(ctx.name, why)


def off(ctx: VolumeContext) -> Action:
    return takeover.take(
        ctx,
        f"Volume {ctx.name}: its VM is off, so the disk is freed for the next task, and the VM can boot without it",
    )


def idle(ctx: VolumeContext) -> Action:
    if ctx.claim is not None and ctx.claim.tasks:
        task = ctx.claim.tasks[0]
        what = "placed on a node" if task.node is None else "placed on a node that is still in the swarm"
        why = (
            f"Volume {ctx.name}: the task of service {task.service} is not {what} yet; see `docker service ps "
            f"{task.service}`."
        )
        return Wait(ctx.name, why)
    if ctx.claim is not None and ctx.claim.given_up:
        return Wait(ctx.name, _given_up(ctx, ctx.claim.given_up))
    return Converged(ctx.name, f"No task wants volume {ctx.name}; its disk stays on {disk_place(ctx)}.")


def _given_up(ctx: VolumeContext, services: tuple[str, ...]) -> str:
    return (
        f"Volume {ctx.name}: Swarm has given up service {', '.join(services)}, by its restart_policy (max_attempts, "
        f"or a condition other than any); its disk stays on {disk_place(ctx)}. To start it again: "
        f"`docker service update --force {services[0]}`."
    )


def target_away(ctx: VolumeContext) -> Action:
    node = ctx.target
    if node is None:
        return idle(ctx)
    state = "seen powered off" if node.vm in ctx.index.off else node.state.value
    why = (
        f"Volume {ctx.name}: its task is on node {node.hostname}, which is {state}; waiting for the node, or for "
        "Swarm to place the task elsewhere."
    )
    return Wait(ctx.name, why)


def target_full(ctx: VolumeContext) -> Action:
    limit = ctx.index.policy.capabilities.max_disks_per_vm
    name = ctx.target_name
    why = (
        f"Volume {ctx.name}: the VM of node {name} has {limit} disks already, the most that this storage allows. "
        "Move a service with a volume away from it."
    )
    return Refuse(ctx.name, why)


def elsewhere(ctx: VolumeContext) -> Action:
    name = ctx.target_name
    return takeover.take(ctx, f"Volume {ctx.name} goes to node {name}")


def nowhere(ctx: VolumeContext) -> Action:
    vm = _target_vm(ctx)
    return Attach(
        ctx.name, takeover.disk_of(ctx), vm, f"Volume {ctx.name} is attached nowhere and wanted on {vm_label(ctx, vm)}."
    )


def unstamped(ctx: VolumeContext) -> Action:
    vm = _target_vm(ctx)
    why = (
        f"Volume {ctx.name} is on {vm_label(ctx, vm)} already; the present epoch is stamped there, so that late "
        "calls of earlier leaders are refused."
    )
    return Attach(ctx.name, takeover.disk_of(ctx), vm, why)


def outdated(ctx: VolumeContext) -> Action:
    tasks = ", ".join(sorted({grant.task for grant in ctx.rules.outdated(ctx)}))
    why = (
        f"Volume {ctx.name}: task {tasks} is wanted no more, so its permission to mount on "
        f"{vm_label(ctx, _target_vm(ctx))} is taken back before the next task gets one."
    )
    return Revoke(ctx.name, why)


def predecessor(ctx: VolumeContext) -> Action:
    vm, task = _target_vm(ctx), next_task(ctx)
    grace = 0.0 if task is None else task.stop_grace
    if not ctx.rules.strangers(ctx):
        why = (
            f"Volume {ctx.name}: the gate on {vm_label(ctx, vm)} was asked to refuse the mounts of an earlier task; "
            "the next task gets its permission when the gate says that it does."
        )
        return Wait(ctx.name, why)
    said = ctx.gate_word(vm)
    if said is not None and said.problem and 0 in ctx.rules.strangers(ctx):
        why = f"Volume {ctx.name}: the gate on {vm_label(ctx, vm)} gives it to nobody yet: {said.problem}."
        return Wait(ctx.name, why, cure=MEND_THERE.format(node=ctx.target_name))
    why = (
        f"Volume {ctx.name}: {_containers(ctx)} on {vm_label(ctx, vm)} still has it mounted, and the next one starts "
        f"only when that has ended. Swarm kills a container of this service {grace:.0f} s after it asked it to stop."
    )
    return Wait(ctx.name, why)


def _containers(ctx: VolumeContext) -> str:
    """Whose mounts are in the way, as far as the record still says."""
    tasks = {grant.serial: grant.task for grant in ctx.home}
    names = [f"task {tasks[serial]}" if serial in tasks else "an earlier task" for serial in ctx.rules.strangers(ctx)]
    return f"the container of {' and of '.join(dict.fromkeys(names))}"


def ungranted(ctx: VolumeContext) -> Action:
    task, node = next_task(ctx), ctx.target
    if task is None or node is None or node.vm is None or node.boot is None:
        return target_away(ctx)
    # A gate may know a later serial than the record, if that came from a backup of the swarm: it would refuse ours.
    said, serial = ctx.gate_word(node.vm), Serial(max(ctx.entry.serial, ctx.told(node.vm)) + 1)
    return GrantMount(ctx.name, task.id, node.id, node.vm, node.boot, serial, _superseded(ctx, task, said))


def _superseded(ctx: VolumeContext, task: ClaimTask, said: GateVolume | None) -> tuple[Grant, ...]:
    """
    Of tasks that are wanted no more, and the task's own under which no mount of it is counted, nor ever will be.

    Until the gate refuses a grant, its word may be older than a mount under it: without the grant that mount would be a
    stranger's, and the next task would wait for the end of a container that it may share with.
    """
    counted = frozenset() if said is None else frozenset(said.users)
    spent = {g.serial for g in ctx.home if g.task == task.id and g.serial <= ctx.floor(g.vm)} - counted
    return tuple(g for g in ctx.home if g.task not in ctx.wanted or g.serial in spent)


def let_go(ctx: VolumeContext) -> Action:
    place, said = vm_label(ctx, _target_vm(ctx)), ctx.gate_word(_target_vm(ctx))
    if said is not None and said.problem:
        why = f"Volume {ctx.name} could not be mounted on {place}; the gate there reports: {said.problem}."
        return Wait(ctx.name, why, cure=MEND_THERE.format(node=ctx.target_name))
    why = (
        f"Volume {ctx.name}: the gate on {place} has unmounted it, because the container of its task has ended or the "
        "disk was taken away; waiting for Swarm to notice and to place the next task. If that container still runs, "
        "update its service with --force."
    )
    return Wait(ctx.name, why)


def settled(ctx: VolumeContext) -> Action:
    vm = _target_vm(ctx)
    said = ctx.gate_word(vm)
    if said is not None and said.problem:
        why = f"Volume {ctx.name} is on {vm_label(ctx, vm)}, but the gate there reports: {said.problem}."
        return takeover.suffering(ctx, vm, why) if said.suffers else Wait(ctx.name, why)
    return _started(ctx, vm, said)


def _started(ctx: VolumeContext, vm: VmId, said: GateVolume | None) -> Action:
    """Granted is not mounted, and mounted is not running."""
    tasks = () if ctx.claim is None else ctx.claim.tasks
    waiting = next((task for task in tasks if not task.started), None)
    if waiting is None:
        return Converged(ctx.name, f"Volume {ctx.name} is on {vm_label(ctx, vm)}, where its task runs.")
    mounted = said is not None and said.state is MountState.MOUNTED
    what = "is mounted" if mounted else "may be mounted"
    why = (
        f"Volume {ctx.name} {what} on {vm_label(ctx, vm)}, and Docker has not started the container of service "
        f"{waiting.service} yet. If it stays so, `docker service ps --no-trunc {waiting.service}` says why."
    )
    return Converged(ctx.name, why, starting=True)


def astray(ctx: VolumeContext) -> Action:
    task = placement.astray(ctx)
    service, node = "?" if task is None else task.service, ctx.target_name
    return Alarm(
        ctx.name,
        f"Volume {ctx.name}: task {'?' if task is None else task.id} of service {service} runs on node {node}, but the "
        "gate there has not mounted the volume: the container writes to another directory, most likely to a local "
        "volume of the same name, which stays on that node.",
        f"On node {node}, `docker volume inspect {ctx.name}`: if its driver is local, `docker service scale "
        f"{service}=0`, copy away what is worth keeping, `docker volume rm {ctx.name}` there, and scale up again.",
    )


def _target_vm(ctx: VolumeContext) -> VmId:
    if ctx.target is None or ctx.target.vm is None:
        msg = f"volume {ctx.name} has no target"
        raise LookupError(msg)
    return ctx.target.vm

"""
Where a volume is, as seen from its claim. Pure.

`classify` asks a row of questions, the most certain dangers first; the first answer is the placement. What follows
from it is looked up in `controller.planner.table`.
"""

from __future__ import annotations

from enum import Enum

from controller.model import (
    Claim,
    ClaimTask,
    MountState,
    Node,
    NodeState,
    Operation,
    Phase,
    Power,
    TaskId,
    VmId,
    VolumeRecord,
)
from controller.planner import lifetime
from controller.planner.context import VolumeContext, usable
from controller.planner.evidence import Holder, fenceable, holding_node, left_to_join
from controller.planner.silence import silence


class Placement(Enum):
    """Every situation that a volume can be in, with a comment on what it means."""

    PAUSED = "paused by a person"
    NO_RECORD = "no record"  # some task wants it, Docker has not asked for it yet
    CONFLICT = "conflicting claims"  # two nodes want it, replicas > 1 ...
    DOOMED_CLAIMED = "removed, but wanted"
    NO_DISK = "no disk yet"
    SOURCE_BUSY = "no disk yet, what it is to copy is in use"
    DEPOSED = "a newer leader acts"  # a stamp of a later epoch than ours
    UNLISTED = "nowhere in a list that has gaps"
    UNCERTAIN = "storage at work"
    ON_MANY = "on many VMs"
    IN_DOUBT = "a call of ours in doubt"
    UNKNOWN_VM = "VM of the claim's node unknown"
    # grants somewhere else, or of an earlier boot
    PROVEN = "old holder proven gone"
    SUPERSEDED = "old grant still valid"
    HELD_READY = "held on a node that is ready"
    HELD_SILENT = "held on a node whose gate is silent"
    HELD_UNCLEAR = "held on a node that Swarm is unsure about"
    HELD_GRACE = "held on a node down within the grace"
    HELD_ALIVE = "held on a node that is down, whose gate speaks again"
    HELD_UNSEEN = "held on a node that is down, power unknown"
    HELD_IDLE = "held on a node that is down, nobody waits"
    HELD_RUNNING = "held on a node that is down, VM runs"  # or it does not matter, as the storage can refuse it
    # no foreign grants from here on
    DOOMED_ATTACHED = "removed, still attached"
    KEPT = "removed, its disk is kept for a while"
    DOOMED = "removed, attached nowhere"
    OFF = "on a VM seen powered off"
    SILENT_GRACE = "on a node that fell silent, within the grace"
    SILENT = "on a node that fell silent"
    RESTORING = "being restored from a snapshot"
    LENT = "to be copied, or restored"
    LEAVING = "unclaimed, on a node that takes no tasks"
    IDLE = "unclaimed"
    TARGET_AWAY = "the claim's node is not ready"
    TARGET_FULL = "the claim's VM has no room"
    ELSEWHERE = "on another VM, held by nobody"
    NOWHERE = "attached nowhere"
    TARGET_SILENT = "on the target, its gate is silent"
    UNSTAMPED = "on the target, stamped by an older epoch"
    OUTDATED = "on the target, an earlier task's grant still valid"
    PREDECESSOR = "on the target, an earlier container still has it"
    UNGRANTED = "on the target, no grant yet"
    LET_GO = "on the target, let go by its task"
    ASTRAY = "on the target, its task runs without it"
    SETTLED = "on the target, granted"


TOLD = 3.0  # seconds after which a gate that is heard surely speaks of a mount before its container ran


def classify(ctx: VolumeContext) -> Placement:
    for question in _QUESTIONS:
        placement = question(ctx)
        if placement is not None:
            return placement
    return Placement.SETTLED


def _paused(ctx: VolumeContext) -> Placement | None:
    return None if ctx.rules.paused(ctx) is None else Placement.PAUSED


def _life(ctx: VolumeContext) -> Placement | None:
    record, claim = ctx.record, ctx.claim
    if record is None:
        return Placement.NO_RECORD
    if record.phase is Phase.DELETING:
        return _removed(record, claim)
    if claim is not None and claim.conflict is not None:
        return Placement.CONFLICT
    if ctx.rules.has_disk(ctx) and record.phase is not Phase.CREATING:
        return None
    return Placement.SOURCE_BUSY if lifetime.must_wait(ctx) else Placement.NO_DISK


def _removed(record: VolumeRecord, claim: Claim | None) -> Placement | None:
    if claim is not None and claim.tasks:
        return Placement.DOOMED_CLAIMED
    lost = record.disk is None and record.intent is not None and record.intent.operation is Operation.CREATE
    return Placement.NO_DISK if lost else None


def _certainty(ctx: VolumeContext) -> Placement | None:
    """Storage truth first: while it is unclear or contradictory, nothing else is asked."""
    if ctx.rules.deposed(ctx):
        return Placement.DEPOSED
    if ctx.unlisted:
        return Placement.UNLISTED
    if ctx.rules.uncertain(ctx):
        return Placement.UNCERTAIN
    if ctx.rules.on_many(ctx):
        return Placement.ON_MANY
    return Placement.IN_DOUBT if ctx.rules.in_doubt(ctx) else None


def _target_known(ctx: VolumeContext) -> Placement | None:
    target = ctx.target
    if target is None or ctx.entry.phase is Phase.DELETING:
        return None
    unknown = target.vm is None or target.boot is None or target.vm in ctx.index.shared_vms
    return Placement.UNKNOWN_VM if unknown else None


def _held(ctx: VolumeContext) -> Placement | None:
    held = ctx.rules.holder(ctx)
    if held is None:
        return None
    if ctx.foreign and ctx.rules.evidence(ctx, *held) is not None:
        return Placement.PROVEN
    if ctx.rules.superseded(ctx):
        return Placement.SUPERSEDED
    node = holding_node(ctx, held[0])
    return _held_by(ctx, node, held) if node is not None else _held_by_nobody(ctx, held[0])


def _held_by(ctx: VolumeContext, node: Node, held: Holder) -> Placement:
    vm, boot = held
    if node.state is NodeState.READY:
        view = ctx.index.world.gates.get(vm)
        speaks = view is not None and ctx.index.fresh(view) and view.boot == boot
        return _silent_on(ctx, node, held) or (Placement.HELD_READY if speaks else Placement.HELD_SILENT)
    if node.state is not NodeState.DOWN:
        return Placement.HELD_UNCLEAR
    if silence.missed_for(ctx, node) < ctx.index.policy.grace:
        return Placement.HELD_GRACE
    return Placement.HELD_ALIVE if ctx.rules.back(ctx, node, held) else _held_by_vm(ctx, vm)


def _held_by_nobody(ctx: VolumeContext, vm: VmId) -> Placement:
    """Its node was removed by a person: no heartbeat comes. But a machine that was started runs before it joins."""
    place = _held_by_vm(ctx, vm)
    joins = place is Placement.HELD_RUNNING and left_to_join(ctx, vm) > 0
    return Placement.HELD_GRACE if joins else place


def _held_by_vm(ctx: VolumeContext, vm: VmId) -> Placement:
    """No node answers for this VM: what the hypervisor says of it decides, or that the storage can refuse it."""
    if ctx.index.power(vm) is not Power.ON and not fenceable(ctx, vm):
        return Placement.HELD_UNSEEN
    waited_for = ctx.target is not None and ctx.target.state is NodeState.READY
    return Placement.HELD_RUNNING if waited_for or ctx.entry.phase is Phase.DELETING else Placement.HELD_IDLE


def _off_or_over(ctx: VolumeContext) -> Placement | None:
    vm = ctx.disk_vm
    if ctx.entry.phase is Phase.DELETING:
        return _doomed(ctx) if vm is None else Placement.DOOMED_ATTACHED
    if vm in ctx.index.off:
        return Placement.OFF
    if ctx.entry.snapshots.restoring is not None:
        return Placement.RESTORING if vm is None else Placement.LENT
    if ctx.target is not None:
        return None
    if lifetime.lent(ctx):
        return Placement.LENT
    return Placement.LEAVING if ctx.rules.leaving(ctx) else Placement.IDLE


def _doomed(ctx: VolumeContext) -> Placement:
    return Placement.KEPT if ctx.entry.disk is not None and ctx.kept_for is not None else Placement.DOOMED


def _silent(ctx: VolumeContext) -> Placement | None:
    """Its task is on a node that Swarm calls ready, and that we hear no more."""
    target = ctx.target
    if target is None or target.vm is None or target.boot is None or not silence.can_leave(ctx, target):
        return None
    return _silent_on(ctx, target, (target.vm, target.boot))


def _silent_on(ctx: VolumeContext, node: Node, held: Holder) -> Placement | None:
    if not silence.may_be_fenced(ctx, node, held):
        return None
    within = silence.missed_for(ctx, node) < ctx.index.policy.grace
    return Placement.SILENT_GRACE if within else Placement.SILENT


def _way_to_target(ctx: VolumeContext) -> Placement | None:
    target, vm = ctx.target, ctx.disk_vm
    ready = target is not None and target.state is NodeState.READY and target.vm not in ctx.index.off
    if target is None or target.vm is None or not ready:
        return Placement.TARGET_AWAY  # off counts also while Swarm does not know it yet
    if vm is not None and ctx.rules.on_target(ctx, vm):
        return None
    if ctx.index.load[target.vm] >= ctx.index.policy.capabilities.max_disks_per_vm:
        return Placement.TARGET_FULL
    return Placement.NOWHERE if vm is None else Placement.ELSEWHERE


def _permission(ctx: VolumeContext) -> Placement | None:
    task = next_task(ctx)
    if task is None:
        return None if ctx.claim is None else _without_it(ctx, ctx.claim)
    target = ctx.target
    if target is None or target.vm is None:
        return Placement.TARGET_AWAY
    if not _speaks(ctx, target):
        return Placement.TARGET_SILENT
    if ctx.attachment(target.vm) and not ctx.rules.stamped(ctx, target.vm):
        return Placement.UNSTAMPED
    return _beside_whom(ctx, task)


def _speaks(ctx: VolumeContext, target: Node) -> bool:
    view = None if target.vm is None else ctx.index.world.gates.get(target.vm)
    return view is not None and ctx.index.fresh(view) and view.boot == target.boot and view.node == target.id


def _beside_whom(ctx: VolumeContext, task: ClaimTask) -> Placement:
    """Whether an earlier container could write beside the one that is to be granted its mount."""
    if task.started:
        return Placement.UNGRANTED  # it runs, and mounts no more: the grant is only written down
    old = ctx.rules.outdated(ctx)
    if old and not ctx.entry.revoked:
        return Placement.OUTDATED
    return Placement.PREDECESSOR if old or ctx.rules.strangers(ctx) else Placement.UNGRANTED


_QUESTIONS = (_paused, _life, _certainty, _target_known, _held, _off_or_over, _silent, _way_to_target, _permission)


def next_task(ctx: VolumeContext) -> ClaimTask | None:
    """
    The first wanted task, newest first, that holds no grant it can still use and may need one.

    A task that was seen running, and whose gate has unmounted since, never mounts again: Swarm puts a new task in its
    place. On a node that is shut down in good order that takes until the node is seen down, and a new grant meanwhile
    would void the gate's word that it let go, which is the evidence that the volume moves on.
    """
    if ctx.claim is None:
        return None
    listed = {g.task for g in ctx.home if not ctx.entry.revoked}
    good = _served(ctx, ctx.claim)
    return next((t for t in ctx.claim.tasks if t.id not in good and not (t.started and t.id in listed)), None)


def _let_go(ctx: VolumeContext, claim: Claim) -> bool:
    """Whether none of its tasks can have it mounted any more."""
    return not _served(ctx, claim)


def _without_it(ctx: VolumeContext, claim: Claim) -> Placement | None:
    if _let_go(ctx, claim):
        return Placement.LET_GO
    return Placement.ASTRAY if astray(ctx) else None


def astray(ctx: VolumeContext) -> ClaimTask | None:
    """
    A task that runs while the gate of its node has nothing mounted: its container has another directory.

    A gate reports a mount before the container starts, so its word counts if it is younger than the first look that
    saw the task run. It has not unmounted since: the permission would be used up (`LET_GO`).
    """
    target, claim = ctx.target, ctx.claim
    if target is None or target.vm is None or claim is None or not _speaks(ctx, target):
        return None
    said, age, running = ctx.gate_word(target.vm), ctx.index.world.gates[target.vm].age, ctx.index.world.running
    if said is not None and said.state is not MountState.UNMOUNTED:
        return None
    return next((t for t in claim.tasks if t.started and age + TOLD <= running.get(t.id, 0.0)), None)


def _served(ctx: VolumeContext, claim: Claim) -> frozenset[TaskId]:
    """The wanted tasks that have all their mounts, or a grant for them."""
    return frozenset(t.id for t in claim.tasks for g in ctx.home if g.task == t.id and usable(ctx, g, t.mounts))

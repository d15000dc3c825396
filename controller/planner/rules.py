"""
The law book: every rule that carries safety or progress, one named predicate a rule. Pure.

The planner asks nothing but these where a law is at stake, through the `Rules` that it is handed. Tests, and only
they, replace one: the exhaustive search must then find a story that goes wrong (tests/sim/test_rules.py). Checks
without an entry here are caution: see docs/safety.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.model import (
    Attachment,
    AttachmentState,
    BootId,
    Capabilities,
    Confirmation,
    Epoch,
    Evidence,
    GateView,
    GateVolume,
    Grant,
    MountState,
    Node,
    NodeId,
    NodeState,
    Operation,
    PausedPart,
    Phase,
    Power,
    Serial,
    VmId,
)
from controller.planner.context import VolumeContext
from controller.planner.evidence import Holder, back, evidence, holder, known_there


def paused(ctx: VolumeContext) -> PausedPart | None:
    """Nothing is done about a volume that a person has paused, or that is, may be or should be on a node that is."""
    parts = ctx.index.world.paused_parts
    if not parts:
        return None
    places: set[tuple[NodeId | None, VmId | None]] = {(None, each.vm) for each in ctx.disk_on}
    places |= {(grant.node, grant.vm) for grant in (*ctx.foreign, *ctx.home)}
    if ctx.claim is not None:
        places.add((ctx.claim.node, None if ctx.target is None else ctx.target.vm))
    return next((each for each in parts if each.volume == ctx.name or any(each.on(*at) for at in places)), None)


def superseded(ctx: VolumeContext) -> bool:
    """A grant elsewhere that still counts is taken back before anything is done about its holder."""
    return any(g.serial == ctx.entry.serial for g in ctx.foreign)


def obeyed(ctx: VolumeContext, said: GateVolume) -> bool:
    """A gate's word counts only if it knows the newest serial: an older one says nothing about later grants."""
    return said.serial >= ctx.entry.serial


def boot_agreed(ctx: VolumeContext, view: GateView) -> bool:
    """
    Another boot counts only if the node's record agrees with the gate.

    The record is written before any grant in that boot, and read after the volume's.
    """
    node = ctx.index.node_on.get(view.vm)
    return node is not None and node.boot == view.boot


def seen_off(power: Power) -> bool:
    """Only a power state read as off is off; unknown is not."""
    return power is Power.OFF


def confirmed_boot(said: Confirmation, boot: BootId) -> bool:
    """A person's word counts for one boot only."""
    return said.boot == boot


def vm_seen(power: Power) -> bool:
    """
    A VM that cannot be seen has not lost its disk because no list shows it.

    One that left the inventory, or is hidden by permissions, is in no list, and may still write.
    """
    return power is not Power.UNKNOWN


def detach_proves(capabilities: Capabilities) -> bool:
    """A detach is evidence only where the driver's detach cuts I/O."""
    return capabilities.detach_cuts_io


def detach_agreed(ctx: VolumeContext, vm: VmId, boot: BootId) -> bool:
    """
    No list of the storage proves a detach against whoever uses the disk: it may only have moved, or been renamed.

    The gate of a node that is ready says itself when the disk is gone. Of one that is not, a word counts against the
    list that came after Swarm had missed the node: then it lives, and will say so, too.
    """
    node, view, said = ctx.index.node_on.get(vm), ctx.index.world.gates.get(vm), ctx.gate_word(vm)
    if node is not None and node.state is NodeState.READY:
        return False
    if view is None or said is None or not ctx.index.fresh(view) or view.boot != boot:
        return True
    heard = node is None or view.age < (node.down_for or 0.0)
    return said.state is not MountState.MOUNTED or not heard


def silent(ctx: VolumeContext, node: Node, held: Holder) -> bool:
    """
    Whether our own detector has missed the node: then its VM may be powered off after the grace, and nothing else.

    It may be wrong at any time. So a gate that was heard since is believed, whatever the detector says.
    """
    view = ctx.index.world.gates.get(held[0])
    return node.silent_for is not None and (view is None or view.age >= node.silent_for)


def deposed(ctx: VolumeContext) -> bool:
    """
    A controller that meets a later epoch than its own decides nothing.

    A leader that stalled learns of its successor from the record that it acts on. Without this it grants on a VM from
    which its successor's detach is on the way.
    """
    record = ctx.entry
    met = [a.epoch or 0 for a in ctx.disk_on] + [g.epoch for g in record.grants]
    if record.intent is not None:
        met.append(record.intent.epoch)
    return any(epoch > ctx.index.world.epoch for epoch in met)


def stamped(ctx: VolumeContext, vm: VmId) -> bool:
    """A grant needs the present epoch stamped on the VM."""
    return _has_stamp(ctx, ctx.attachment(vm), ctx.index.world.epoch)


def _has_stamp(ctx: VolumeContext, there: Attachment | None, epoch: Epoch) -> bool:
    if there is None:
        return False
    return not ctx.index.policy.capabilities.epoch_guard or (there.epoch or 0) >= epoch


def in_doubt(ctx: VolumeContext) -> bool:
    """
    After a call in doubt a new epoch is taken: an intent of our own epoch whose call may still happen.

    It got no answer, or the list does not agree with it. That the list agrees does not settle a call without an
    answer: an older call may have done the same, and ours comes later. An intent of an older epoch needs no care: the
    stamp of the present one, before a grant, refuses its call.
    """
    intent = ctx.entry.intent
    if intent is None or intent.vm is None or intent.epoch != ctx.index.world.epoch:
        return False
    if intent.in_doubt:
        return True
    there = ctx.attachment(intent.vm)
    if intent.operation is Operation.DETACH:
        return there is not None
    if intent.operation is not Operation.ATTACH:
        return False
    done = there is not None and there.state is AttachmentState.ATTACHED
    return not (done and _has_stamp(ctx, there, intent.epoch))


def stayed(ctx: VolumeContext) -> bool:
    """
    Where the storage cannot say where a disk is: on the claim's VM, if a grant of this epoch is listed there.

    That was given with the disk there, under this epoch's stamp. Calls of earlier leaders are refused by the stamp, and
    whoever detaches since writes an intent first, which stays in the record until the grants are gone.
    """
    record = ctx.entry
    if record.phase is not Phase.READY or record.intent is not None or ctx.foreign:
        return False
    return any(grant.epoch == ctx.index.world.epoch for grant in ctx.home)


def leaving(ctx: VolumeContext) -> bool:
    """
    A disk that no node is to have stays on no node that is drained or paused, nor on a VM that no node is on any more:
    a VM that is deleted takes it along. Also while Swarm looks for a node for its task.
    """
    if ctx.disk_vm is None or ctx.target is not None:
        return False
    node = ctx.index.node_on.get(ctx.disk_vm)
    return node is None or not node.available


def uncertain(ctx: VolumeContext) -> bool:
    """
    Nothing is done while the storage is still at work on the disk, or its VM has it on another file by now.

    What drivers refuse then would be asked for without end, and nobody told.
    """
    return any(each.state is not AttachmentState.ATTACHED for each in ctx.disk_on)


def on_many(ctx: VolumeContext) -> bool:
    """Nothing is granted while the disk is on several VMs."""
    return len(ctx.disk_on) > 1


def has_disk(ctx: VolumeContext) -> bool:
    """A disk that exists is never made anew."""
    return ctx.entry.disk is not None


def on_target(ctx: VolumeContext, vm: VmId) -> bool:
    """A grant needs the disk on the VM of the claim."""
    return ctx.target is not None and vm == ctx.target.vm


def outdated(ctx: VolumeContext) -> tuple[Grant, ...]:
    """
    Grants on the target of tasks that Swarm wants no more, which their gate may still hand out a mount under.

    A Mount that comes late would make a second container beside that of the next task: they are void before it is
    granted anything.
    """
    wanted = ctx.wanted
    return tuple(g for g in ctx.home if g.task not in wanted and g.serial > ctx.floor(g.vm))


def strangers(ctx: VolumeContext) -> tuple[Serial, ...]:
    """
    Mounts on the target that are not of a wanted task: nobody is granted anything beside them.

    So the successor of a task waits for the end of its container, however long that takes; only tasks that Swarm wants
    at the same time share a volume. Told by the serial of the grant that each was handed out under.
    """
    said = None if ctx.target is None else ctx.gate_word(ctx.target.vm)
    if said is None:
        return ()
    known = {g.serial for g in ctx.home if g.task in ctx.wanted}
    return tuple(serial for serial in said.users if serial not in known)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the planner asks. ``evidence``: a grant is dropped only on evidence; a node that is down is none."""

    evidence: Callable[[VolumeContext, VmId, BootId], Evidence | None] = evidence
    paused: Callable[[VolumeContext], PausedPart | None] = paused
    superseded: Callable[[VolumeContext], bool] = superseded
    obeyed: Callable[[VolumeContext, GateVolume], bool] = obeyed
    boot_agreed: Callable[[VolumeContext, GateView], bool] = boot_agreed
    seen_off: Callable[[Power], bool] = seen_off
    confirmed_boot: Callable[[Confirmation, BootId], bool] = confirmed_boot
    vm_seen: Callable[[Power], bool] = vm_seen
    detach_proves: Callable[[Capabilities], bool] = detach_proves
    detach_agreed: Callable[[VolumeContext, VmId, BootId], bool] = detach_agreed
    back: Callable[[VolumeContext, Node, Holder], bool] = back
    silent: Callable[[VolumeContext, Node, Holder], bool] = silent
    holder: Callable[[VolumeContext], Holder | None] = holder
    known_there: Callable[[VolumeContext, VmId], bool] = known_there
    deposed: Callable[[VolumeContext], bool] = deposed
    stamped: Callable[[VolumeContext, VmId], bool] = stamped
    in_doubt: Callable[[VolumeContext], bool] = in_doubt
    stayed: Callable[[VolumeContext], bool] = stayed
    leaving: Callable[[VolumeContext], bool] = leaving
    uncertain: Callable[[VolumeContext], bool] = uncertain
    on_many: Callable[[VolumeContext], bool] = on_many
    has_disk: Callable[[VolumeContext], bool] = has_disk
    on_target: Callable[[VolumeContext, VmId], bool] = on_target
    outdated: Callable[[VolumeContext], tuple[Grant, ...]] = outdated
    strangers: Callable[[VolumeContext], tuple[Serial, ...]] = strangers


RULES = Rules()

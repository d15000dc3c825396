"""
Where a volume is, as seen from its claim. Pure.

`classify` asks a row of questions, the most certain dangers first; the first answer is the placement. What follows
from it is looked up in `controller.steps.STEPS`.
"""

from __future__ import annotations

from enum import Enum

from controller import copies
from controller.case import Case, Rule, attached, fresh, seen_off
from controller.evidence import evidence, idle_evidence
from controller.model import (
    AttachmentState,
    BootId,
    Claim,
    ClaimTask,
    Epoch,
    Grant,
    MountState,
    NodeState,
    Operation,
    Phase,
    Power,
    VmId,
)


class Placement(Enum):
    """Every situation that a volume can be in, with a comment on what it means."""

    NO_RECORD = "no record"  # some task wants it, Docker has not asked for it yet
    CONFLICT = "conflicting claims"  # two nodes want it, replicas > 1 ...
    DOOMED_CLAIMED = "removed, but wanted"
    NO_DISK = "no disk yet"
    SOURCE_BUSY = "no disk yet, what it is to copy is in use"
    DEPOSED = "a newer leader acts"  # a stamp of a later epoch than ours
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
    HELD_UNSEEN = "held on a node that is down, power unknown"
    HELD_IDLE = "held on a node that is down, nobody waits"
    HELD_RUNNING = "held on a node that is down, VM runs"
    # no foreign grants from here on
    DOOMED_ATTACHED = "removed, still attached"
    DOOMED = "removed, attached nowhere"
    OFF = "on a VM seen powered off"
    LENT = "unclaimed, and to be copied"
    IDLE = "unclaimed"
    TARGET_AWAY = "the claim's node is not ready"
    TARGET_FULL = "the claim's VM has no room"
    ELSEWHERE = "on another VM, held by nobody"
    NOWHERE = "attached nowhere"
    TARGET_SILENT = "on the target, its gate is silent"
    UNSTAMPED = "on the target, stamped by an older epoch"
    UNGRANTED = "on the target, no grant yet"
    LET_GO = "on the target, let go by its task"
    SETTLED = "on the target, granted"


def classify(case: Case) -> Placement:
    for question in _QUESTIONS:
        placement = question(case)
        if placement is not None:
            return placement
    return Placement.SETTLED


def _life(case: Case) -> Placement | None:
    record, claim = case.record, case.claim
    if record is None:
        return Placement.NO_RECORD
    if record.phase is Phase.DELETING:
        if claim is not None and claim.tasks:
            return Placement.DOOMED_CLAIMED
        lost = record.disk is None and record.intent is not None and record.intent.operation is Operation.CREATE
        return Placement.NO_DISK if lost else None
    if claim is not None and claim.conflict is not None:
        return Placement.CONFLICT
    unmade = record.disk is None or not case.index.has(Rule.FORMAT_ONCE)
    if not unmade and record.phase is not Phase.CREATING:
        return None
    return Placement.SOURCE_BUSY if copies.must_wait(case) else Placement.NO_DISK


def _certainty(case: Case) -> Placement | None:
    """Storage truth first: while it is unclear or contradictory, nothing else is asked."""
    if deposed(case) and case.index.has(Rule.DEPOSED):
        return Placement.DEPOSED
    if not attached(case.disk_on):
        return Placement.UNCERTAIN
    if len(case.disk_on) > 1 and case.index.has(Rule.ONE_VM):
        return Placement.ON_MANY
    if in_doubt(case) and case.index.has(Rule.NEW_EPOCH):
        return Placement.IN_DOUBT
    return None


def deposed(case: Case) -> bool:
    """
    A later epoch is seen than ours: a leader that stalled learns of its successor from the record that it acts on.

    Without this it grants on a VM from which its successor's detach is on the way.
    """
    met = [a.epoch or 0 for a in case.disk_on] + [g.epoch for g in case.entry.grants]
    if case.entry.intent is not None:
        met.append(case.entry.intent.epoch)
    return any(epoch > case.index.world.epoch for epoch in met)


def in_doubt(case: Case) -> bool:
    """
    An intent of our own epoch whose call may still happen: it got no answer, or the list does not agree with it.

    That the list agrees does not settle a call without an answer: an older call may have done the same, and ours comes
    later. An intent of an older epoch needs no care: the stamp of the present one, before a grant, refuses its call.
    """
    intent = case.entry.intent
    if intent is None or intent.vm is None or intent.epoch != case.index.world.epoch:
        return False
    if intent.in_doubt:
        return True
    there = case.on(intent.vm)
    if intent.operation is Operation.DETACH:
        return there is not None
    if intent.operation is Operation.ATTACH:
        return (
            there is None or there.state is not AttachmentState.ATTACHED or not stamped(case, intent.vm, intent.epoch)
        )
    return False


def stamped(case: Case, vm: VmId, epoch: Epoch) -> bool:
    there = case.on(vm)
    if there is None:
        return False
    return not case.index.policy.capabilities.epoch_guard or (there.epoch or 0) >= epoch


def _target_known(case: Case) -> Placement | None:
    target = case.target
    if target is None or case.entry.phase is Phase.DELETING:
        return None
    unknown = target.vm is None or target.boot is None or target.vm in case.index.twins
    return Placement.UNKNOWN_VM if unknown else None


def holder(case: Case) -> tuple[VmId, BootId] | None:
    """
    Who may still write although the claim is elsewhere: the first foreign grant's VM and boot.

    Without a grant: a fresh gate that says "mounted" on a VM that has the disk (records from an old backup).
    """
    if case.foreign:
        return case.foreign[0].vm, case.foreign[0].boot
    vm = case.where
    if vm is None or (case.target is not None and case.target.vm == vm and case.entry.phase is not Phase.DELETING):
        return None
    view, said = case.index.world.gates.get(vm), case.said(vm)
    mounted = said is not None and said.state is MountState.MOUNTED
    if view is None or not mounted or not fresh(case.index, view) or idle_evidence(case, vm) is not None:
        return None
    return vm, view.boot


def _held(case: Case) -> Placement | None:
    held = holder(case)
    if held is None or not case.index.has(Rule.NO_FOREIGN_GRANT):
        return None
    vm, boot = held
    if case.foreign and (evidence(case, vm, boot) is not None or not case.index.has(Rule.EVIDENCE)):
        return Placement.PROVEN
    superseded = any(g.serial == case.entry.serial for g in case.foreign)
    if superseded and case.index.has(Rule.REVOKE_FIRST):
        return Placement.SUPERSEDED
    return _held_by(case, vm, boot)


def _held_by(case: Case, vm: VmId, boot: BootId) -> Placement:
    node = case.index.under.get(vm)
    if node is not None and node.state is NodeState.READY:
        view = case.index.world.gates.get(vm)
        speaks = view is not None and fresh(case.index, view) and view.boot == boot
        return Placement.HELD_READY if speaks else Placement.HELD_SILENT
    if node is not None and node.state is not NodeState.DOWN:
        return Placement.HELD_UNCLEAR
    # A node that is no longer in the swarm was removed by a person: there is no heartbeat to wait for.
    if node is not None and (node.down_for or 0.0) < case.index.policy.grace:
        return Placement.HELD_GRACE
    if case.index.power(vm) is not Power.ON:
        return Placement.HELD_UNSEEN
    waited_for = case.target is not None and case.target.state is NodeState.READY
    return Placement.HELD_RUNNING if waited_for or case.entry.phase is Phase.DELETING else Placement.HELD_IDLE


def _off_or_over(case: Case) -> Placement | None:
    vm = case.where
    if case.entry.phase is Phase.DELETING:
        return Placement.DOOMED if vm is None else Placement.DOOMED_ATTACHED
    if seen_off(case.index, vm):
        return Placement.OFF
    if case.target is not None:
        return None
    return Placement.LENT if copies.lent(case) else Placement.IDLE


def _way_to_target(case: Case) -> Placement | None:
    target, vm = case.target, case.where
    if target is None or target.vm is None or target.state is not NodeState.READY:
        return Placement.TARGET_AWAY
    if vm == target.vm:
        return None
    if not case.index.has(Rule.DISK_ON_TARGET) and vm is not None:
        return None
    if case.index.load[target.vm] >= case.index.policy.capabilities.max_disks_per_vm:
        return Placement.TARGET_FULL
    return Placement.NOWHERE if vm is None else Placement.ELSEWHERE


def _permission(case: Case) -> Placement | None:
    if next_task(case) is None:
        return Placement.LET_GO if case.claim is not None and _let_go(case, case.claim) else None
    target = case.target
    if target is None or target.vm is None:
        return Placement.TARGET_AWAY
    view = case.index.world.gates.get(target.vm)
    heard = view is not None and fresh(case.index, view) and view.boot == target.boot and view.node == target.id
    if not heard:
        return Placement.TARGET_SILENT
    if case.index.has(Rule.STAMP) and case.on(target.vm) and not stamped(case, target.vm, case.index.world.epoch):
        return Placement.UNSTAMPED
    return Placement.UNGRANTED


_QUESTIONS = (_life, _certainty, _target_known, _held, _off_or_over, _way_to_target, _permission)


def next_task(case: Case) -> ClaimTask | None:
    """
    The first wanted task, newest first, that holds no grant it can still use and may need one.

    A task that was seen running, and whose gate has unmounted since, never mounts again: Swarm puts a new task in its
    place. On a node that is shut down in good order that takes until the node is seen down, and a new grant meanwhile
    would void the gate's word that it let go, which is the evidence that the volume moves on.
    """
    if case.claim is None:
        return None
    listed = {g.task for g in case.home if not case.entry.revoked}
    good = {g.task for g in case.home if usable(case, g)}
    return next((t for t in case.claim.tasks if t.id not in good and not (t.started and t.id in listed)), None)


def _let_go(case: Case, claim: Claim) -> bool:
    """Whether none of its tasks can have it mounted any more."""
    return not {t.id for t in claim.tasks} & {g.task for g in case.home if usable(case, g)}


def usable(case: Case, grant: Grant) -> bool:
    """
    Not revoked, and not used up.

    A gate that unmounted under a serial refuses it from then on; Docker may mount for the same task again
    (it copies image data into an empty volume before the start).
    """
    if case.entry.revoked:
        return False
    said = case.said(grant.vm)
    view = case.index.world.gates.get(grant.vm)
    if said is None or view is None or view.boot != grant.boot:
        return True
    return not (said.state is MountState.UNMOUNTED and said.serial >= grant.serial)

"""
What follows from each placement: one step, as a total table. Pure.

Reasons are sentences for a person at 3 o'clock: the volume, the node, the VM, what is awaited, and what can be done.
They end up in the ERROR column of `docker service ps`, in `reberth explain` and in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller import copies, held
from controller.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    CreateDisk,
    DeleteDisk,
    Detach,
    GrantMount,
    NewEpoch,
    Refuse,
    Wait,
)
from controller.case import Case
from controller.evidence import idle_evidence, where, who
from controller.model import Serial, VmId
from controller.placement import Placement, next_task

Step = Callable[[Case], Action]


def _no_record(case: Case) -> Action:
    return Wait(
        case.name,
        f"Volume {case.name} is not known yet: Docker makes it when it prepares the container on the task's node.",
    )


def _conflict(case: Case) -> Action:
    return Refuse(case.name, f"Volume {case.name}: {case.claim.conflict if case.claim else ''}")


def _doomed_claimed(case: Case) -> Action:
    services = ", ".join(sorted({t.service for t in case.claim.tasks})) if case.claim else ""
    why = (
        f"Volume {case.name} was removed with `docker volume rm`, but service {services} wants it. "
        "Remove the service (its data goes then), or name another volume in it."
    )
    return Refuse(case.name, why)


def _no_disk(case: Case) -> Action:
    source = case.entry.spec.source
    if source is None:
        return CreateDisk(case.name)
    return CreateDisk(case.name, f"Volume {case.name} is being made as a copy of volume {source.volume}.")


def _source_busy(case: Case) -> Action:
    source = case.entry.spec.source
    origin, service = "?" if source is None else source.volume, copies.source_service(case)
    cure = f" Until the copy is made: `docker service scale {service}=0`." if service else ""
    why = (
        f"Volume {case.name} is to be a copy of volume {origin}, but {copies.source_users(case)}: a disk is copied "
        f"only while it is attached nowhere.{cure}"
    )
    return Wait(case.name, why)


def _lent(case: Case) -> Action:
    return _take(case, f"Volume {case.name} is used by nobody, and is to be copied for volume {case.copier}")


def _deposed(case: Case) -> Action:
    why = (
        f"Volume {case.name}: its record or its disk bears the epoch of a newer leader than this controller "
        f"(epoch {case.index.world.epoch}); that one decides."
    )
    return Wait(case.name, why, held.LOOK_AGAIN)


def _uncertain(case: Case) -> Action:
    why = (
        f"Volume {case.name}: the storage system is still at work on its disk ({where(case)}); looking again "
        "until it is done."
    )
    return Wait(case.name, why, held.LOOK_AGAIN)


def _on_many(case: Case) -> Action:
    return Alarm(
        case.name,
        f"Volume {case.name} is attached to several VMs at once: {where(case)}. Nothing is touched.",
        "Stop the containers that use it, see in the storage system which VM wrote last, and detach the disk "
        "from the others there.",
    )


def _in_doubt(case: Case) -> Action:
    intent = case.entry.intent
    what = "a call" if intent is None else f"the {intent.operation.value} asked for"
    vm = "" if intent is None or intent.vm is None else f" on {who(case, intent.vm)}"
    why = (
        f"Volume {case.name}: {what}{vm} got no answer and may still happen; a new epoch makes it void before "
        "anything else is done."
    )
    return NewEpoch(case.name, why)


def _unknown_vm(case: Case) -> Action:
    node = case.target
    if node is not None and node.vm in case.index.twins:
        why = (
            f"Volume {case.name}: node {node.hostname} and another ready node report the same VM {node.vm}. "
            "Give each virtual machine its own SMBIOS UUID (clones share it), then restart the reberth node "
            "service there."
        )
        return Refuse(case.name, why)
    name = "?" if node is None else node.hostname
    why = (
        f"Volume {case.name}: it is not known which virtual machine node {name} is. "
        f"See that the reberth node service runs there: `docker service ps reberth_node --filter node={name}`."
    )
    return Refuse(case.name, why)


def _doomed_attached(case: Case) -> Action:
    return _take(case, f"Volume {case.name} was removed with `docker volume rm`")


def _doomed(case: Case) -> Action:
    return DeleteDisk(case.name)


def _off(case: Case) -> Action:
    return _take(
        case,
        f"Volume {case.name}: its VM is off, so the disk is freed for the next task, and the VM can boot without it",
    )


def _idle(case: Case) -> Action:
    if case.claim is not None and case.claim.tasks:
        task = case.claim.tasks[0]
        what = "placed on a node" if task.node is None else "placed on a node that is still in the swarm"
        why = (
            f"Volume {case.name}: the task of service {task.service} is not {what} yet; see `docker service ps "
            f"{task.service}`."
        )
        return Wait(case.name, why)
    return Converged(case.name, f"No task wants volume {case.name}; its disk stays on {where(case)}.")


def _target_away(case: Case) -> Action:
    node = case.target
    if node is None:
        return _idle(case)
    state = node.state.value
    why = (
        f"Volume {case.name}: its task is on node {node.hostname}, which is {state}; waiting for the node, or for "
        "Swarm to place the task elsewhere."
    )
    return Wait(case.name, why)


def _target_full(case: Case) -> Action:
    limit = case.index.policy.capabilities.max_disks_per_vm
    name = "?" if case.target is None else case.target.hostname
    why = (
        f"Volume {case.name}: the VM of node {name} has {limit} disks already, the most that this storage allows. "
        "Move a service with a volume away from it."
    )
    return Refuse(case.name, why)


def _elsewhere(case: Case) -> Action:
    name = "?" if case.target is None else case.target.hostname
    return _take(case, f"Volume {case.name} goes to node {name}")


def _nowhere(case: Case) -> Action:
    vm = _target_vm(case)
    return Attach(
        case.name, held.disk_of(case), vm, f"Volume {case.name} is attached nowhere and wanted on {who(case, vm)}."
    )


def _target_silent(case: Case) -> Action:
    name = "?" if case.target is None else case.target.hostname
    why = (
        f"Volume {case.name} is ready for node {name}, but the gate there was not heard within "
        f"{case.index.policy.gate_fresh:.0f} s under the node's "
        "present boot. On that node see `docker plugin ls`: reberth must be enabled."
    )
    return Wait(case.name, why)


def _unstamped(case: Case) -> Action:
    vm = _target_vm(case)
    why = (
        f"Volume {case.name} is on {who(case, vm)} already; the present epoch is stamped there, so that late "
        "calls of earlier leaders are refused."
    )
    return Attach(case.name, held.disk_of(case), vm, why)


def _ungranted(case: Case) -> Action:
    task, node = next_task(case), case.target
    if task is None or node is None or node.vm is None or node.boot is None:
        return _target_away(case)
    wanted = {t.id for t in case.claim.tasks} if case.claim is not None else set()
    old = tuple(g for g in case.home if g.task == task.id or g.task not in wanted)
    # A gate may know a later serial than the record, if that came from a backup of the swarm: it would refuse ours.
    said = case.said(node.vm)
    serial = Serial(max(case.entry.serial, said.serial if said is not None else 0) + 1)
    return GrantMount(case.name, task.id, node.id, node.vm, node.boot, serial, old)


def _let_go(case: Case) -> Action:
    why = (
        f"Volume {case.name}: the container of its task on {who(case, _target_vm(case))} has ended, and the gate there "
        "has let the volume go; waiting for Swarm to notice and to place the next task."
    )
    return Wait(case.name, why)


def _settled(case: Case) -> Action:
    vm = _target_vm(case)
    said = case.said(vm)
    if said is not None and said.problem:
        return Wait(case.name, f"Volume {case.name} is on {who(case, vm)}, but the gate there reports: {said.problem}.")
    return Converged(case.name, f"Volume {case.name} is on {who(case, vm)}, where its task runs.")


def _take(case: Case, why: str) -> Action:
    """Detach from where it is, which nobody holds any more."""
    vm = case.where
    if vm is None:
        return Wait(case.name, f"{why}.")
    return held.must(
        case, idle_evidence(case, vm), lambda proof: Detach(case.name, held.disk_of(case), vm, proof, f"{why}.")
    )


def _target_vm(case: Case) -> VmId:
    if case.target is None or case.target.vm is None:
        msg = f"volume {case.name} has no target"
        raise LookupError(msg)
    return case.target.vm


STEPS: Mapping[Placement, Step] = {
    Placement.NO_RECORD: _no_record,
    Placement.CONFLICT: _conflict,
    Placement.DOOMED_CLAIMED: _doomed_claimed,
    Placement.NO_DISK: _no_disk,
    Placement.SOURCE_BUSY: _source_busy,
    Placement.DEPOSED: _deposed,
    Placement.UNCERTAIN: _uncertain,
    Placement.ON_MANY: _on_many,
    Placement.IN_DOUBT: _in_doubt,
    Placement.UNKNOWN_VM: _unknown_vm,
    Placement.PROVEN: held.proven,
    Placement.SUPERSEDED: held.superseded,
    Placement.HELD_READY: held.ready,
    Placement.HELD_SILENT: held.silent,
    Placement.HELD_UNCLEAR: held.unclear,
    Placement.HELD_GRACE: held.grace,
    Placement.HELD_UNSEEN: held.unseen,
    Placement.HELD_IDLE: held.idle,
    Placement.HELD_RUNNING: held.running,
    Placement.DOOMED_ATTACHED: _doomed_attached,
    Placement.DOOMED: _doomed,
    Placement.OFF: _off,
    Placement.LENT: _lent,
    Placement.IDLE: _idle,
    Placement.TARGET_AWAY: _target_away,
    Placement.TARGET_FULL: _target_full,
    Placement.ELSEWHERE: _elsewhere,
    Placement.NOWHERE: _nowhere,
    Placement.TARGET_SILENT: _target_silent,
    Placement.UNSTAMPED: _unstamped,
    Placement.UNGRANTED: _ungranted,
    Placement.LET_GO: _let_go,
    Placement.SETTLED: _settled,
}

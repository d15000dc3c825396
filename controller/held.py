"""
Steps while somebody else may still write: the claim is here, a grant is there. Pure.

In order: drop grants that are proven dead, revoke those that are still valid, then wait for evidence or make it.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.actions import Action, Alarm, Detach, DropGrants, Fence, Revoke, Wait
from controller.case import Case, Rule
from controller.evidence import evidence, where, who
from controller.model import BootId, DiskId, Evidence, EvidenceKind, FencePolicy, NodeId, VmId
from controller.placement import holder

LOOK_AGAIN = 2.0  # seconds after which a look at something that changes by itself makes sense


def proven(case: Case) -> Action:
    vm, boot = _holder(case)
    grants = tuple(g for g in case.foreign if (g.vm, g.boot) == (vm, boot))
    proof = evidence(case, vm, boot)
    if proof is None and not case.index.has(Rule.EVIDENCE):
        proof = Evidence(EvidenceKind.CONFIRMED, vm, "assumed: this rule was left out", "nobody")
    return must(case, proof, lambda found: DropGrants(case.name, grants, found))


def superseded(case: Case) -> Action:
    vm, _ = _holder(case)
    wanted = f"node {case.target.hostname} should have it" if case.target is not None else "no task wants it there"
    return Revoke(
        case.name, f"Volume {case.name}: {wanted}, so the permission to mount it on {who(case, vm)} is taken back."
    )


def ready(case: Case) -> Action:
    vm, _ = _holder(case)
    said = case.said(vm)
    if said is not None and said.problem:
        why = f"Volume {case.name} cannot be unmounted on {who(case, vm)}: {said.problem}. It moves as soon as it is."
        return Wait(case.name, why)
    why = (
        f"Volume {case.name} is still in use on {who(case, vm)}; its gate was asked to let it go, which it does "
        "when the old container has ended."
    )
    return Wait(case.name, why)


def silent(case: Case) -> Action:
    vm, _ = _holder(case)
    why = (
        f"Volume {case.name} may be mounted on {who(case, vm)}, which is ready, but the gate there was not heard for "
        f"{case.index.policy.gate_fresh:.0f} s. On that node see `docker plugin ls` (reberth must be enabled), or "
        "power the VM off."
    )
    return Wait(case.name, why)


def unclear(case: Case) -> Action:
    vm, _ = _holder(case)
    why = (
        f"Volume {case.name} may be mounted on {who(case, vm)}; Swarm does not know yet whether that node lives "
        "(usual for about 30 s after a change of leader)."
    )
    return Wait(case.name, why)


def grace(case: Case) -> Action:
    vm, _ = _holder(case)
    node = case.index.under[vm]
    left = max(0.0, case.index.policy.grace - (node.down_for or 0.0))
    seen = case.index.power(vm).value
    why = (
        f"Volume {case.name} may be mounted on {who(case, vm)}, which is down; its VM is seen {seen!r}. "
        f"Waiting {left:.0f} s more for the node to come back or the VM to be seen off, then the fence policy "
        f"{_policy(case).value!r} acts."
    )
    return Wait(case.name, why, left)


def unseen(case: Case) -> Action:
    vm, _ = _holder(case)
    why = (
        f"Volume {case.name} may be mounted on {who(case, vm)}, which is down, and the hypervisor cannot say "
        "whether that VM runs. "
        "Unknown is never taken for dead."
    )
    return Alarm(case.name, why, _confirm(case, vm))


def idle(case: Case) -> Action:
    vm, _ = _holder(case)
    why = (
        f"Volume {case.name} was last used on {who(case, vm)}, which is down while its VM runs; no ready node "
        "waits for the volume, "
        "so nothing is forced."
    )
    return Wait(case.name, why)


def running(case: Case) -> Action:
    vm, _ = _holder(case)
    policy, cuts = _policy(case), case.index.policy.capabilities.detach_cuts_io
    if case.index.storm is not None:
        return Alarm(case.name, f"Volume {case.name}: {case.index.storm}.", _confirm(case, vm))
    why = f"Volume {case.name}: node {_name(case, vm)} is down and its VM {vm} still runs"
    if policy is FencePolicy.HOLD:
        return Alarm(case.name, f"{why}; policy 'hold' forces nothing.", _confirm(case, vm))
    if policy is FencePolicy.DETACH and cuts and case.on(vm) is not None:
        return Detach(
            case.name,
            disk_of(case),
            vm,
            None,
            f"{why}; the disk is taken from it, which ends its writes (policy 'detach').",
        )
    node = case.index.under.get(vm)
    fenced = node.id if node is not None else NodeId("")
    note = "policy 'power-off'" if policy is FencePolicy.POWER_OFF else "this storage cannot cut its writes"
    return Fence(case.name, vm, fenced, f"{why}; it is powered off ({note}).")


def must(case: Case, proof: Evidence | None, act: Callable[[Evidence], Action]) -> Action:
    """Act only with evidence in hand; a placement that promised it and has none is waited out, never acted on."""
    if proof is None:
        return Wait(case.name, f"Volume {case.name}: no evidence about its old holder ({where(case)}) yet.", LOOK_AGAIN)
    return act(proof)


def disk_of(case: Case) -> DiskId:
    if case.entry.disk is None:
        msg = f"volume {case.name} has no disk"
        raise LookupError(msg)
    return case.entry.disk


def _policy(case: Case) -> FencePolicy:
    return case.entry.spec.policy or case.index.policy.fence


def _confirm(case: Case, vm: VmId) -> str:
    name = _name(case, vm)
    return (
        f"Bring node {name} back or power VM {vm} off. If it is dead for sure and can never write again: "
        f'`reberth confirm-dead {name} --reason "..."`.'
    )


def _name(case: Case, vm: VmId) -> str:
    node = case.index.under.get(vm)
    return node.hostname if node is not None else vm


def _holder(case: Case) -> tuple[VmId, BootId]:
    held = holder(case)
    if held is None:
        msg = f"volume {case.name} is held by nobody"
        raise LookupError(msg)
    return held

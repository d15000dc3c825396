"""
Why an old holder cannot write any more. Pure.

Evidence is about one VM in one boot, and made anew from what was read in this cycle. "Not found", "does not answer",
"timed out" and "node is down" are unknown, never evidence (ARCHITECTURE.md#the-laws, 2), and no age or timer ever
turns into it. Which of what was read may count is the rules' to say (`controller.planner.rules`).
"""

from __future__ import annotations

from controller.model import BootId, Evidence, EvidenceKind, MountState, NodeState, VmId
from controller.planner.context import VolumeContext


def evidence(ctx: VolumeContext, vm: VmId, boot: BootId) -> Evidence | None:
    """The best evidence that this VM, in this boot, cannot write to the volume, or None."""
    for read in (_released, _another_boot, _powered_off, _detached, _confirmed):
        found = read(ctx, vm, boot)
        if found is not None:
            return found
    return None


def idle_evidence(ctx: VolumeContext, vm: VmId) -> Evidence | None:
    """
    Why a disk may be taken from a VM for which the record lists no grant.

    Without a grant nothing there was allowed to mount; still, a gate that says "mounted" is believed before the record
    (which may come from a backup of the swarm).
    """
    if vm in ctx.index.off:
        return _powered_off(ctx, vm, BootId(""))
    view = ctx.index.world.gates.get(vm)
    said = ctx.gate_word(vm)
    if view is not None and ctx.index.fresh(view) and said is not None:
        if said.state is MountState.MOUNTED:
            return evidence(ctx, vm, view.boot)
        return _made(
            ctx, EvidenceKind.RELEASED, vm, "gate", f"the gate on {vm_label(ctx, vm)} says that it is not mounted"
        )
    node = ctx.index.node_on.get(vm)
    if node is not None and node.boot is not None:
        confirmed = _confirmed(ctx, vm, node.boot)
        if confirmed is not None:
            return confirmed
    return _made(ctx, EvidenceKind.RELEASED, vm, "record", f"no task on {vm_label(ctx, vm)} has permission to mount it")


def _released(ctx: VolumeContext, vm: VmId, boot: BootId) -> Evidence | None:
    view = ctx.index.world.gates.get(vm)
    said = ctx.gate_word(vm)
    if view is None or said is None or not ctx.index.fresh(view) or said.state is not MountState.UNMOUNTED:
        return None
    if view.boot != boot:
        return None
    if not ctx.rules.obeyed(ctx, said):
        return None
    text = f"the gate on {vm_label(ctx, vm)} has unmounted it and refuses every mount up to serial {said.serial}"
    return _made(ctx, EvidenceKind.RELEASED, vm, "gate", text)


def _another_boot(ctx: VolumeContext, vm: VmId, boot: BootId) -> Evidence | None:
    """
    A gate that speaks under another boot proves that the boot we knew has ended.

    Boot ids have no order: an old word of an earlier boot must not end a later one.
    """
    view = ctx.index.world.gates.get(vm)
    if view is None or not ctx.index.fresh(view) or view.boot == boot:
        return None
    if not ctx.rules.boot_agreed(ctx, view):
        return None
    text = f"{vm_label(ctx, vm)} has started again since (boot {view.boot[:8]}, the permission was for {boot[:8]})"
    return _made(ctx, EvidenceKind.RELEASED, vm, "gate", text)


def _powered_off(ctx: VolumeContext, vm: VmId, _boot: BootId) -> Evidence | None:
    if vm not in ctx.index.off:
        return None
    return _made(
        ctx, EvidenceKind.POWERED_OFF, vm, "hypervisor", f"the hypervisor sees {vm_label(ctx, vm)} powered off"
    )


def _detached(ctx: VolumeContext, vm: VmId, boot: BootId) -> Evidence | None:
    if ctx.entry.disk is None or ctx.attachment(vm) is not None:
        return None
    if not ctx.rules.vm_seen(ctx.index.power(vm)) or not ctx.rules.detach_proves(ctx.index.policy.capabilities):
        return None
    if not ctx.rules.detach_agreed(ctx, vm, boot):
        return None
    text = (
        f"the storage lists the disk on {disk_place(ctx)}, no longer on {vm_label(ctx, vm)}, and a detach cuts all I/O"
    )
    return _made(ctx, EvidenceKind.DETACHED, vm, "storage", text)


def _confirmed(ctx: VolumeContext, vm: VmId, boot: BootId) -> Evidence | None:
    """A person's word about a VM that Swarm sees ready in that very boot is a mistake, and does not count."""
    node = ctx.index.node_on.get(vm)
    if node is not None and node.state is NodeState.READY and node.boot == boot:
        return None
    for said in ctx.index.world.confirmations:
        if said.vm == vm and ctx.rules.confirmed_boot(said, boot):
            person = said.by or "a person"
            text = f'{person} confirmed that {vm_label(ctx, vm)} is dead: "{said.reason}"'
            return _made(ctx, EvidenceKind.CONFIRMED, vm, person, text)
    return None


def _made(ctx: VolumeContext, kind: EvidenceKind, vm: VmId, source: str, text: str) -> Evidence:
    return Evidence(kind=kind, vm=vm, text=f"volume {ctx.name}: {text}", source=source)


def vm_label(ctx: VolumeContext, vm: VmId) -> str:
    """The VM for people: its node's hostname first."""
    node = ctx.index.node_on.get(vm)
    return f"VM {vm} (no node of the swarm is on it)" if node is None else f"node {node.hostname} (VM {vm})"


def disk_place(ctx: VolumeContext) -> str:
    return "no VM" if not ctx.disk_on else ", ".join(vm_label(ctx, a.vm) for a in ctx.disk_on)

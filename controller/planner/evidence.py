"""
An old holder: who that is, and why it cannot write any more. Pure.

Evidence is about one VM in one boot, and made anew from what was read in this cycle. "Not found", "does not answer",
"timed out" and "node is down" are unknown, never evidence (ARCHITECTURE.md#the-laws, 2), and no age or timer ever
turns into it. Which of what was read may count is the rules' to say (`controller.planner.rules`).
"""

from __future__ import annotations

from controller.model import (
    BootId,
    Evidence,
    EvidenceKind,
    FencePolicy,
    GateView,
    MountState,
    Node,
    NodeState,
    Phase,
    VmId,
)
from controller.planner.context import VolumeContext

Holder = tuple[VmId, BootId]


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
    (which may come from a backup of the swarm), and where no gate speaks, the record only of a VM that it knows.
    """
    if vm in ctx.index.off:
        return _powered_off(ctx, vm, BootId(""))
    view = ctx.index.world.gates.get(vm)
    heard = view if ctx.index.fresh(view) else None
    if heard is not None and ctx.gate_word(vm) is not None:
        return _idle_by_gate(ctx, vm, heard)
    node = ctx.index.node_on.get(vm)
    confirmed = None if node is None or node.boot is None else _confirmed(ctx, vm, node.boot)
    if confirmed is not None or (heard is None and not ctx.rules.known_there(ctx, vm)):
        return confirmed
    return _made(ctx, EvidenceKind.RELEASED, vm, "record", f"no task on {vm_label(ctx, vm)} has permission to mount it")


def _idle_by_gate(ctx: VolumeContext, vm: VmId, heard: GateView) -> Evidence | None:
    said = ctx.gate_word(vm)
    if said is not None and said.state is MountState.MOUNTED:
        return evidence(ctx, vm, heard.boot)
    return _made(ctx, EvidenceKind.RELEASED, vm, "gate", f"the gate on {vm_label(ctx, vm)} says that it is not mounted")


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
    if not list_counts(ctx, vm) or not ctx.rules.detach_proves(ctx.index.policy.capabilities):
        return None
    if not ctx.rules.detach_agreed(ctx, vm, boot):
        return None
    place, there = disk_place(ctx), vm_label(ctx, vm)
    text = f"the storage lists the disk on {place}, no longer on {there}, and a detach cuts all I/O"
    if ctx.index.policy.capabilities.fences_at_storage:
        text = f"{there} is fenced at the storage, which lists the disk on {place} and refuses its writes"
    return _made(ctx, EvidenceKind.DETACHED, vm, "storage", text)


def list_counts(ctx: VolumeContext, vm: VmId) -> bool:
    """
    Whether the storage's list says something of this VM: one that nobody sees may be in none, and write.

    Unless the list is that of a storage which itself refuses whoever is not in it (fences_at_storage).
    """
    return ctx.index.policy.capabilities.fences_at_storage or ctx.rules.vm_seen(ctx.index.power(vm))


def fenceable(ctx: VolumeContext, vm: VmId) -> bool:
    """Whether the policy lets the storage itself refuse this VM, be it seen or not."""
    capabilities, policy = ctx.index.policy.capabilities, ctx.entry.spec.policy or ctx.index.policy.fence
    listed = ctx.attachment(vm) is not None
    return capabilities.fences_at_storage and capabilities.detach_cuts_io and policy is FencePolicy.DETACH and listed


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


HEARD = 10.0  # seconds: a gate that lives speaks each second while it is told to let go
PATIENCE = 30.0  # seconds a node is down: Swarm's agent tries again at least each 8 s, and has registered long before


def back(ctx: VolumeContext, node: Node, held: Holder) -> bool:
    """
    A node whose gate spoke after Swarm had missed it is not fenced at once: Swarm's agent comes back a little later.

    Not for ever: one that Swarm goes on calling down takes no tasks, whatever its gate says.
    """
    vm, boot = held
    view, down_for = ctx.index.world.gates.get(vm), node.down_for or 0.0
    if view is None or view.boot != boot or view.node != node.id:
        return False
    return view.age < min(down_for, HEARD) and down_for < max(PATIENCE, ctx.index.policy.grace)


def holding_node(ctx: VolumeContext, vm: VmId) -> Node | None:
    """
    The node on this VM; or the one that was permitted to mount there, of which it cannot be read now on which VM it is:
    it has not left the swarm.
    """
    node = ctx.index.node_on.get(vm)
    if node is not None or not ctx.foreign or ctx.foreign[0].vm != vm:
        return node
    named = (ctx.index.world.nodes or {}).get(ctx.foreign[0].node)
    return named if named is not None and named.vm is None else None


def left_to_join(ctx: VolumeContext, vm: VmId) -> float:
    """Seconds that a machine without a node of the swarm has to join, or its node to say which machine it is on."""
    unclaimed = ctx.index.world.unclaimed.get(vm)
    return 0.0 if unclaimed is None else max(PATIENCE, ctx.index.policy.grace) - unclaimed


def known_there(ctx: VolumeContext, vm: VmId) -> bool:
    """
    That a record lists no grant on a VM says something only of the VM to which this very record brought the disk.

    A disk that is elsewhere was moved by what the record does not know: by a leader after the backup that the record
    comes from, who may have given permission there, or by a person. And a node that is ready can be asked itself.
    """
    node = ctx.index.node_on.get(vm)
    return ctx.entry.place == vm and (node is None or node.state is not NodeState.READY)


def holder(ctx: VolumeContext) -> Holder | None:
    """
    Nothing moves while another VM or boot holds a grant: the first of them may still write.

    Without a grant: whoever has the disk, where nothing proves that it is not in use there (records from an old
    backup, a person's hand).
    """
    if ctx.foreign:
        return ctx.foreign[0].vm, ctx.foreign[0].boot
    vm = ctx.disk_vm
    at_home = ctx.target is not None and ctx.target.vm == vm and ctx.entry.phase is not Phase.DELETING
    return None if vm is None or at_home else _holder_without_grant(ctx, vm)


def _holder_without_grant(ctx: VolumeContext, vm: VmId) -> Holder | None:
    """In the boot that its gate speaks of; else in the one that its node was last known in, if any."""
    if idle_evidence(ctx, vm) is not None:
        return None
    view, node = ctx.index.world.gates.get(vm), ctx.index.node_on.get(vm)
    if view is not None and ctx.index.fresh(view):
        return vm, view.boot
    boot = None if node is None else node.boot
    return vm, boot or BootId("")


def _made(ctx: VolumeContext, kind: EvidenceKind, vm: VmId, source: str, text: str) -> Evidence:
    return Evidence(kind=kind, vm=vm, text=f"volume {ctx.name}: {text}", source=source)


def vm_label(ctx: VolumeContext, vm: VmId) -> str:
    """The VM for people: its node's hostname first."""
    node = holding_node(ctx, vm)
    return f"VM {vm} (no node of the swarm is on it)" if node is None else f"node {node.hostname} (VM {vm})"


def disk_place(ctx: VolumeContext) -> str:
    return "no VM" if not ctx.disk_on else ", ".join(vm_label(ctx, a.vm) for a in ctx.disk_on)

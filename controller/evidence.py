"""
Why an old holder cannot write any more. Pure.

Evidence is about one VM in one boot, and made anew from what was read in this cycle. "Not found", "does not answer",
"timed out" and "node is down" are unknown, never evidence (law 2), and no age or timer ever turns into it.
"""

from __future__ import annotations

from controller.case import Case, Rule, fresh, seen_off
from controller.model import BootId, Evidence, EvidenceKind, MountState, NodeState, Power, VmId


def evidence(case: Case, vm: VmId, boot: BootId) -> Evidence | None:
    """The best evidence that this VM, in this boot, cannot write to the volume, or None."""
    for read in (_released, _another_boot, _powered_off, _detached, _confirmed):
        found = read(case, vm, boot)
        if found is not None:
            return found
    return None


def idle_evidence(case: Case, vm: VmId) -> Evidence | None:
    """
    Why a disk may be taken from a VM for which the record lists no grant.

    Without a grant nothing there was allowed to mount; still, a gate that says "mounted" is believed before the record
    (which may come from a backup of the swarm).
    """
    if seen_off(case.index, vm):
        return _powered_off(case, vm, BootId(""))
    view = case.index.world.gates.get(vm)
    said = case.said(vm)
    if view is not None and fresh(case.index, view) and said is not None:
        if said.state is MountState.MOUNTED:
            return evidence(case, vm, view.boot)
        return _made(
            case, EvidenceKind.RELEASED, vm, "gate", f"the gate on {who(case, vm)} says that it is not mounted"
        )
    node = case.index.under.get(vm)
    if node is not None and node.boot is not None:
        confirmed = _confirmed(case, vm, node.boot)
        if confirmed is not None:
            return confirmed
    return _made(case, EvidenceKind.RELEASED, vm, "record", f"no task on {who(case, vm)} has permission to mount it")


def _released(case: Case, vm: VmId, boot: BootId) -> Evidence | None:
    view = case.index.world.gates.get(vm)
    said = case.said(vm)
    if view is None or said is None or not fresh(case.index, view) or said.state is not MountState.UNMOUNTED:
        return None
    if view.boot != boot:
        return None
    if said.serial < case.entry.serial and case.index.has(Rule.SERIAL):
        return None
    text = f"the gate on {who(case, vm)} has unmounted it and refuses every mount up to serial {said.serial}"
    return _made(case, EvidenceKind.RELEASED, vm, "gate", text)


def _another_boot(case: Case, vm: VmId, boot: BootId) -> Evidence | None:
    """
    A gate that speaks under another boot proves that the boot we knew has ended.

    Boot ids have no order: an old word of an earlier boot must not end a later one. So the node's record, written
    before any grant in that boot and read after the volume's, has to say the same.
    """
    view = case.index.world.gates.get(vm)
    if view is None or not fresh(case.index, view) or view.boot == boot:
        return None
    node = case.index.under.get(vm)
    if case.index.has(Rule.AGREED_BOOT) and (node is None or node.boot != view.boot):
        return None
    text = f"{who(case, vm)} has started again since (boot {view.boot[:8]}, the permission was for {boot[:8]})"
    return _made(case, EvidenceKind.RELEASED, vm, "gate", text)


def _powered_off(case: Case, vm: VmId, _boot: BootId) -> Evidence | None:
    if not seen_off(case.index, vm):
        return None
    return _made(case, EvidenceKind.POWERED_OFF, vm, "hypervisor", f"the hypervisor sees {who(case, vm)} powered off")


def _detached(case: Case, vm: VmId, _boot: BootId) -> Evidence | None:
    """
    A list without the disk on that VM proves something only while the VM itself is seen.

    One that left the inventory, or is hidden by permissions, is in no list either, and may still write.
    """
    caps = case.index.policy.capabilities
    if case.entry.disk is None or case.on(vm) is not None:
        return None
    if case.index.power(vm) is Power.UNKNOWN and case.index.has(Rule.VM_SEEN):
        return None
    if not caps.detach_cuts_io and case.index.has(Rule.CUTS_IO):
        return None
    text = f"the storage lists the disk on {where(case)}, no longer on {who(case, vm)}, and a detach cuts all I/O"
    return _made(case, EvidenceKind.DETACHED, vm, "storage", text)


def _confirmed(case: Case, vm: VmId, boot: BootId) -> Evidence | None:
    """A person's word about a VM that Swarm sees ready in that very boot is a mistake, and does not count."""
    node = case.index.under.get(vm)
    if node is not None and node.state is NodeState.READY and node.boot == boot:
        return None
    for said in case.index.world.confirmations:
        if said.vm == vm and (said.boot == boot or not case.index.has(Rule.CONFIRMED_BOOT)):
            person = said.by or "a person"
            text = f'{person} confirmed that {who(case, vm)} is dead: "{said.reason}"'
            return _made(case, EvidenceKind.CONFIRMED, vm, person, text)
    return None


def _made(case: Case, kind: EvidenceKind, vm: VmId, source: str, text: str) -> Evidence:
    return Evidence(kind=kind, vm=vm, text=f"volume {case.name}: {text}", source=source)


def who(case: Case, vm: VmId) -> str:
    """The VM for people: its node's hostname first."""
    node = case.index.under.get(vm)
    return f"VM {vm} (no node of the swarm is on it)" if node is None else f"node {node.hostname} (VM {vm})"


def where(case: Case) -> str:
    return "no VM" if not case.disk_on else ", ".join(who(case, a.vm) for a in case.disk_on)

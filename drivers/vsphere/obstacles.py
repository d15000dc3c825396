"""What keeps vCenter from changing a VM, one sentence each, with the cure. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_LITTLE = 2**30  # bytes; on a full datastore a VM with thin disks stops and asks
_CHANGE = "ReconfigVM_Task"
_WIDE_HARDWARE = 14  # the first with 64 disks on a PVSCSI controller


@dataclass(frozen=True, slots=True)
class Store:
    """A datastore with our disks, as the VM's host sees it. ``mount``: what is wrong with it there."""

    datastore: str
    accessible: bool = True
    maintenance: str = ""
    free_bytes: int | None = None
    mount: str = ""


@dataclass(frozen=True, slots=True)
class Obstacles:
    """Of one VM, and of the datastores. ``disabled``: methods that vCenter does not accept for it now."""

    snapshot: bool = False
    consolidation: bool = False
    question: str = ""
    disabled: frozenset[str] = frozenset()
    encrypted: bool = False
    stores: tuple[Store, ...] = ()
    host: str = ""
    leaving: bool = False  # that host is in maintenance mode, or on its way
    hardware: int | None = None  # version of the virtual hardware
    wide: bool = False  # the settings put more than 15 disks on a controller
    sharing: tuple[str, ...] = ()  # files of disks of ours that several VMs may open at once
    forgetful: tuple[str, ...] = ()  # and of those that lose what was written when the VM is switched off


def sentences(name: str, found: Obstacles) -> tuple[str, ...]:
    return (*_of_vm(name, found), *_of_host(name, found), *(said for each in found.stores for said in _of_store(each)))


def _of_vm(name: str, found: Obstacles) -> list[str]:
    said = []
    if found.snapshot:
        said.append(
            f"{name} has a snapshot: a disk that was attached when it was made cannot be detached, also while "
            f"{name} is off: delete the snapshot (a backup that runs deletes its own when it ends)"
        )
    if found.consolidation:
        said.append(f"the disks of {name} need consolidation: Snapshots > Consolidate in the vSphere Client")
    if found.question:
        said.append(f"{name} stands still and waits for an answer: {found.question!r}: answer it in the vSphere Client")
    if _CHANGE in found.disabled:
        said.append(
            f"changes of {name} are switched off in vCenter (by a backup or another product, which should switch them "
            "on again: see its tasks and events)"
        )
    if found.encrypted:
        said.append(
            f"{name} is encrypted (or has a vTPM): the user needs Cryptographic operations > Add disk for it as well"
        )
    return said


def _of_host(name: str, found: Obstacles) -> list[str]:
    said = [
        f"the host {found.host} of {name} {each.mount} the datastore {each.datastore}, so no disk can be "
        f"attached there: mount it on all hosts where {name} may run"
        for each in found.stores
        if each.mount
    ]
    if found.leaving:
        said.append(f"the host {found.host} of {name} is in maintenance mode: move {name} to another one, or end that")
    if found.wide and found.hardware is not None and found.hardware < _WIDE_HARDWARE:
        said.append(
            f"{name} has virtual hardware {found.hardware}, which takes 15 disks on a controller: upgrade it to "
            f"{_WIDE_HARDWARE} or later, or set disks_per_controller = 15"
        )
    said += [
        f"{file} on {name} is shared (multi-writer), so nothing locks it: remove the disk and let Reberth attach it"
        for file in found.sharing
    ]
    said += [
        f"{file} on {name} was attached by hand in a mode in which all that is written is thrown away when {name} is "
        "switched off or reset: copy the data away first, then remove the disk and let Reberth attach it"
        for file in found.forgetful
    ]
    return said


def _of_store(found: Store) -> list[str]:
    said = []
    if not found.accessible:
        said.append(
            f"the datastore {found.datastore} cannot be reached (all paths down?): no host can let go of a file on it "
            "before the paths are back, or HA has ended the VM"
        )
    if found.maintenance not in {"", "normal"}:
        said.append(f"the datastore {found.datastore} is in maintenance mode: end that")
    if found.free_bytes is not None and found.free_bytes < _LITTLE:
        said.append(f"the datastore {found.datastore} is full: VMs with thin disks stand still until there is room")
    return said

"""Which VM is which node's. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from controller.model import Epoch, VmId
from drivers.shared.numbers import number
from drivers.shared.smbios import normal_uuid, orders
from drivers.vsphere.inventory.keys import ENABLE_UUID_KEY, EPOCH_KEY, VM_KEY
from drivers.vsphere.inventory.values import Vm


def identity(vm: Vm) -> VmId:
    """The ID by which the controller knows a VM: as stamped with its disks, else as vCenter writes it."""
    stamped = normal_uuid(vm.extra.get(VM_KEY, ""))
    # A clone carries the stamps of the VM that it was made from, but has a UUID of its own.
    return VmId(stamped if stamped in orders(vm.uuid) else normal_uuid(vm.uuid))


def stamped_as_another(vm: Vm) -> bool:
    """What is noted on it is about the VM that it was cloned from."""
    return VM_KEY in vm.extra and normal_uuid(vm.extra[VM_KEY]) not in orders(vm.uuid)


def swarms(vm: Vm, nodes: Collection[VmId]) -> bool:
    """Whether it is a VM of the swarm, as far as can be told: one of its nodes', or one that has or had a disk."""
    return bool(orders(vm.uuid) & set(nodes)) or (VM_KEY in vm.extra and not stamped_as_another(vm))


def stamp(vm: Vm) -> Epoch | None:
    """The epoch stamped on this VM; None if it has none, or only that of the VM it was cloned from."""
    if stamped_as_another(vm):
        return None
    found = number(vm.extra.get(EPOCH_KEY, ""))
    return None if found is None else Epoch(found)


def find(vms: Sequence[Vm], wanted: VmId) -> Vm | str:
    """The one VM with this ID, or why there is none: a guess could give a disk to the wrong machine."""
    found = [vm for vm in vms if wanted in orders(vm.uuid)]
    if len(found) == 1:
        return found[0]
    if not found:
        return f"no VM with the SMBIOS UUID {wanted} is visible in the inventory: wrong vCenter, or a missing role?"
    names = ", ".join(sorted(vm.name for vm in found))
    return f"the SMBIOS UUID {wanted} fits more than one VM ({names}): give all but one a new uuid.bios"


def shows_uuids(vm: Vm) -> bool:
    return vm.disk_uuids or vm.extra.get(ENABLE_UUID_KEY.lower(), "").strip().lower() in {"true", "1", "yes"}


def names(vms: Sequence[Vm], vm: VmId) -> list[str]:
    """Under which vCenter knows it."""
    return [each.name for each in named(vms, [vm])]


def named(vms: Sequence[Vm], wanted: Sequence[VmId]) -> list[Vm]:
    """All that may be one of these."""
    ids = set(wanted)
    return [vm for vm in vms if ids & orders(vm.uuid)]

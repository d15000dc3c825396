"""
What we note on a VM, in its advanced settings, in the same call that changes its disks. Pure.

The pins say which of our disks was put into which slot. vCenter moves a disk's file and gives it another name (Storage
vMotion, Storage DRS), but the device stays where it is: so a disk with a pin is known, whatever its file is called.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from controller.model import VolumeKey
from drivers.vsphere.inventory.values import Vm

EPOCH_KEY = "reberth.epoch"
VM_KEY = "reberth.vm"
SLOT_KEY = "reberth.slot"
ENABLE_UUID_KEY = "disk.EnableUUID"
PIN_KEYS = tuple(f"reberth.disks.{bus}" for bus in range(4))  # one for each SCSI controller
KEPT_KEYS = frozenset({EPOCH_KEY, VM_KEY, SLOT_KEY, ENABLE_UUID_KEY.lower(), *PIN_KEYS})

Slots = tuple[int, int]  # bus, unit


def pins(vm: Vm) -> dict[Slots, VolumeKey]:
    """``reberth.disks.0 = "1:data-0123 2:other-4567"``: slot to key."""
    found: dict[Slots, VolumeKey] = {}
    for bus, name in enumerate(PIN_KEYS):
        for each in vm.extra.get(name, "").split():
            unit, _, key = each.partition(":")
            if unit.isdecimal() and key:
                found[bus, int(unit)] = VolumeKey(key)
    return found


def pinned(vm: Vm, add: Mapping[Slots, VolumeKey], remove: Collection[VolumeKey] = ()) -> tuple[tuple[str, str], ...]:
    """The settings to write: of the controllers whose pins change."""
    before = pins(vm)
    after = {slot: key for slot, key in before.items() if key not in {*remove, *add.values()}} | dict(add)
    changed = sorted({slot[0] for slot in {*before, *after} if before.get(slot) != after.get(slot)})
    return tuple((PIN_KEYS[bus], _text(after, bus)) for bus in changed if bus < len(PIN_KEYS))


def _text(slots: Mapping[Slots, VolumeKey], bus: int) -> str:
    return " ".join(f"{unit}:{key}" for (other, unit), key in sorted(slots.items()) if other == bus)

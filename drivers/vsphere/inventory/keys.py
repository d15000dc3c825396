"""
What we note on a VM, in its advanced settings, in the same call that changes its disks. Pure.

The pins say which of our disks was put into which slot. vCenter moves a disk's file and gives it another name (Storage
vMotion, Storage DRS), but the device stays where it is: so a disk with a pin is known, whatever its file is called.
Where the settings name several datastores, the pin also tells on which one the disk was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from controller.model import VolumeKey
from drivers.shared.numbers import number
from drivers.vsphere.inventory.values import Vm

EPOCH_KEY = "reberth.epoch"
VM_KEY = "reberth.vm"
SLOT_KEY = "reberth.slot"
ENABLE_UUID_KEY = "disk.EnableUUID"
PIN_KEYS = tuple(f"reberth.disks.{bus}" for bus in range(4))  # one for each SCSI controller
KEPT_KEYS = frozenset({EPOCH_KEY, VM_KEY, SLOT_KEY, ENABLE_UUID_KEY.lower(), *PIN_KEYS})

Slots = tuple[int, int]  # bus, unit


@dataclass(frozen=True, slots=True)
class Pin:
    """``datastore``: its name; "" where there was only one when the pin was written, so that it is not known which."""

    key: VolumeKey
    datastore: str = ""

    def fits(self, other: Pin) -> bool:
        """Whether both may mean one disk."""
        return self.key == other.key and (self.datastore == other.datastore or "" in {self.datastore, other.datastore})

    def __str__(self) -> str:
        return f"{self.key}/{quote(self.datastore, safe='')}" if self.datastore else str(self.key)

    @staticmethod
    def parse(text: str) -> Pin:
        key, _, datastore = text.partition("/")  # no file's name has one
        return Pin(VolumeKey(key), unquote(datastore))


def pins(vm: Vm) -> dict[Slots, Pin]:
    """``reberth.disks.0 = "1:data-0123 2:other-4567/SAN%202"``: slot to pin."""
    found: dict[Slots, Pin] = {}
    for bus, name in enumerate(PIN_KEYS):
        for each in vm.extra.get(name, "").split():
            text, _, key = each.partition(":")
            unit = number(text)
            if unit is not None and key:
                found[bus, unit] = Pin.parse(key)
    return found


def pinned(
    vm: Vm,
    add: Mapping[Slots, Pin],
    remove: Collection[Pin] = (),
    outdated: Collection[Slots] = (),
    *,
    inherited: bool = False,
) -> tuple[tuple[str, str], ...]:
    """
    The settings to write: of the controllers whose pins change. ``outdated``: slots whose pins go.

    ``inherited``: the pins that are there are of the VM that this one was cloned from. They go, before its own stamp
    would make them this one's.
    """
    before = pins(vm)
    gone = (*remove, *add.values())
    stay = {} if inherited else before
    kept = {at: pin for at, pin in stay.items() if at not in outdated and not any(pin.fits(each) for each in gone)}
    after = kept | dict(add)
    changed = sorted({slot[0] for slot in {*before, *after} if before.get(slot) != after.get(slot)})
    return tuple((PIN_KEYS[bus], _text(after, bus)) for bus in changed if bus < len(PIN_KEYS))


def _text(slots: Mapping[Slots, Pin], bus: int) -> str:
    return " ".join(f"{unit}:{pin}" for (other, unit), pin in sorted(slots.items()) if other == bus)

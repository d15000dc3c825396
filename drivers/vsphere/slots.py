"""Where on a VM's SCSI controllers a disk may go. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.shared.numbers import number
from drivers.vsphere.inventory import SLOT_KEY, Vm

MAX_CONTROLLERS = 4
OWN_UNIT = 7  # the controller itself sits there
FEW, MANY = 15, 64  # disks of a classic SCSI controller, and of a PVSCSI one from hardware version 14


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    bus: int
    unit: int
    controller: int  # device key

    def __str__(self) -> str:
        return f"{self.bus}:{self.unit}"


def free_slots(vm: Vm, per_controller: int) -> list[Slot]:
    """
    Free slots, in the order in which to use them: those after the slot given out last come first.

    On a controller whose bus several VMs may share nothing is locked, so none of those.

    A slot just freed so comes last: the guest may still have the dead device of the disk that was there, and would
    take the new disk for it.
    """
    slots = sorted(
        Slot(controller.bus, unit, controller.key)
        for controller in vm.controllers
        if controller.paravirtual and not controller.shared
        for unit in _units(per_controller)
        if unit not in controller.taken
    )
    last = _last(vm)
    return [slot for slot in slots if (slot.bus, slot.unit) > last] + [
        slot for slot in slots if (slot.bus, slot.unit) <= last
    ]


def missing_controllers(vm: Vm, wanted: int, per_controller: int) -> tuple[int, ...]:
    """Bus numbers of the PVSCSI controllers to add before ``wanted`` disks fit; as many as the VM can have."""
    lacking = wanted - len(free_slots(vm, per_controller))
    buses = [bus for bus in range(MAX_CONTROLLERS) if bus not in {controller.bus for controller in vm.controllers}]
    count = -(-max(lacking, 0) // per_controller)
    return tuple(buses[:count])


def _units(per_controller: int) -> Sequence[int]:
    return [unit for unit in range(per_controller + 1) if unit != OWN_UNIT]


def _last(vm: Vm) -> tuple[int, int]:
    bus, unit = map(number, vm.extra.get(SLOT_KEY, "").partition(":")[::2])
    return (-1, -1) if bus is None or unit is None else (bus, unit)

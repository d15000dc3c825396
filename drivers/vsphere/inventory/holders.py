"""Who has which disk of ours, and what nobody can say. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from controller.model import Attachment, AttachmentState, DiskId, Power, VmId
from drivers.base import Listing
from drivers.shared.smbios import orders
from drivers.vsphere.inventory.identity import identity, stamp, stamped_as_another
from drivers.vsphere.inventory.keys import PIN_KEYS, Pin, Slots, pins
from drivers.vsphere.inventory.place import Place
from drivers.vsphere.inventory.values import CONNECTED, FORBIDDEN, SUSPENDED, UNSEEN, Disk, Inventory, Vm


def ours(vm: Vm, place: Place) -> dict[DiskId, Disk]:
    """Our disks on a VM, also those under a snapshot."""
    found: dict[DiskId, Disk] = {}
    for disk in vm.disks:
        for file in disk.files:
            name = place.find(file)
            if name is not None:
                found[name] = disk
    return found


def unpinned(vm: Vm, place: Place) -> dict[Slots, Pin]:
    """Of our disks on a VM those without a pin, with the slots that they are in."""
    known = _kept(vm, place)
    disks = ours(vm, place).items()
    slots = {disk.key: slot for slot, disk in _slots(vm).items()}
    found = {slots[disk.key]: place.pin(name) for name, disk in disks if disk.key in slots}
    held = known.values()
    return {at: pin for at, pin in found.items() if at not in known and not any(pin.fits(each) for each in held)}


def _kept(vm: Vm, place: Place) -> dict[Slots, Pin]:
    gone = outdated(vm, place)
    return {} if stamped_as_another(vm) else {at: pin for at, pin in pins(vm).items() if at not in gone}


def outdated(vm: Vm, place: Place) -> frozenset[Slots]:
    """
    Slots whose pins are of disks that somebody took away by hand: that have no disk now, or another one of ours.

    One with a disk that is not ours may have ours, moved.
    """
    if stamped_as_another(vm):
        return frozenset()
    there, buses = _slots(vm), {controller.bus for controller in vm.controllers}
    known = {at: pin for at, pin in pins(vm).items() if at[0] in buses}
    return frozenset(at for at, pin in known.items() if at not in there or _another(there[at], pin, place))


def moved(vm: Vm, place: Place) -> dict[DiskId, Disk]:
    """
    Our disks on a VM whose files vCenter has moved or renamed: the devices in slots that we gave to them.

    Also one that is now on another datastore of ours, under its old name.
    """
    if stamped_as_another(vm):
        return {}
    known, found = pins(vm), dict[DiskId, Disk]()
    for at, disk in _slots(vm).items():
        pin = known.get(at)
        if pin is not None and not _at_home(disk, pin, place) and not _another(disk, pin, place):
            found |= dict.fromkeys(place.pinned(pin), disk)
    return found


def _slots(vm: Vm) -> dict[Slots, Disk]:
    """The disks on its SCSI controllers."""
    buses = {controller.key: controller.bus for controller in vm.controllers}
    return {(buses[disk.controller], disk.unit): disk for disk in vm.disks if disk.controller in buses}


def _named(disk: Disk, place: Place) -> list[Pin]:
    """Which of ours it is, by its files."""
    return [place.pin(name) for file in disk.files if (name := place.find(file)) is not None]


def _at_home(disk: Disk, pin: Pin, place: Place) -> bool:
    return any(pin.fits(each) for each in _named(disk, place))


def _another(disk: Disk, pin: Pin, place: Place) -> bool:
    """Whether it is surely another disk of ours than the one that was put there."""
    now = _named(disk, place)
    return bool(now) and not any(pin.key == each.key or _derived(each.key, pin.key) for each in now)


def _derived(name: str, of: str) -> bool:
    """As vCenter calls a disk's file under a snapshot, or beside another of its name: ``data-000001``, ``data_1``."""
    return re.fullmatch(f"{re.escape(of)}[-_][0-9]+", name) is not None


def unread_vms(vms: Sequence[Vm], place: Place, known: Collection[str] = ()) -> list[Vm]:
    """
    VMs that may hold a disk of ours, and of which vCenter does not tell.

    ``known``: managed object IDs of VMs that were read before. One that never was, is on no host and has no file is
    only being made (see `Vm.placeholder`): those come and go all day.
    """
    return [
        vm
        for vm in vms
        if not vm.readable
        and (not vm.datastores or vm.datastores & place.refs)
        and (vm.ref in known or vm.unread == FORBIDDEN or not vm.placeholder)
    ]


def whole(vms: Sequence[Vm], place: Place, known: Collection[str] = ()) -> str | None:
    """Why nobody can say that a disk is attached nowhere, or None."""
    found = unread_vms(vms, place, known)
    return "; ".join(_unread(vm) for vm in found) if found else None


def _unread(vm: Vm) -> str:
    if vm.unread == UNSEEN:
        return (
            f"vCenter lists {vm.name} no more and does not let the user read it, and it may hold a disk: give the user "
            "its role there back (Read-only from the top of the inventory, with propagation)"
        )
    if vm.unread == FORBIDDEN:
        return (
            f"vCenter does not let the user read {vm.name}, which may hold a disk: give the user Read-only there (from "
            "the top of the inventory, with propagation)"
        )
    return (
        f"vCenter cannot read the configuration of {vm.name} ({vm.connection or 'no state'}: {vm.unread}), which may "
        "hold a disk: repair it; if it is dead, remove it from the inventory (never from disk)"
    )


def attachments(vms: Sequence[Vm], place: Place) -> list[Attachment]:
    """Of the VMs that can be read. A disk that vCenter moved away from its place is uncertain."""
    holders = [vm for vm in vms if vm.readable]
    counts = Counter(order for vm in holders for order in orders(vm.uuid))
    found = []
    for vm in holders:
        state = _state(vm, counts)
        found += [Attachment(disk, identity(vm), state, stamp(vm)) for disk in sorted(ours(vm, place))]
        away = AttachmentState.UNCERTAIN
        found += [Attachment(disk, identity(vm), away, stamp(vm)) for disk in sorted(moved(vm, place))]
    return found


def odd(vms: Sequence[Vm], place: Place) -> dict[DiskId, str]:
    """What is wrong with a disk that somebody has, and the cure."""
    return {disk: _moved(disk, found, vm) for vm in vms for disk, found in moved(vm, place).items()}


def _moved(disk: DiskId, found: Disk, vm: Vm) -> str:
    now = found.name
    if now == disk:
        return (
            f"{disk} is on {vm.name}, and the settings do not name its datastore any more (or it left its "
            "datastore cluster): name it in datastores again"
        )
    if not now or now.startswith("[]"):
        return (
            f"{disk} is on {vm.name}, and vCenter does not tell where its file is now ({now or 'no name'}): give the "
            "host its way to that datastore back"
        )
    bus, unit = next(at for at, each in _slots(vm).items() if each.key == found.key)
    return (
        f"{disk} is on {vm.name} as {now}: Storage vMotion or Storage DRS has moved it, or somebody has put another "
        f"disk into its slot, {bus}:{unit}. If it was moved, move it back: detach it by hand, move the file to {disk} "
        "with the datastore browser, and attach it again; switch Storage DRS off for this VM. If it is another disk, "
        f"take {unit}:{pins(vm)[bus, unit]} out of {PIN_KEYS[bus]} in the VM's advanced settings"
    )


def listing(now: Inventory, place: Place, known: Collection[str] = ()) -> Listing:
    """Attachments and power of one moment: a VM's list and its power are evidence only together."""
    states = powers(now)
    seen = {
        name for vm in now.vms if vm.readable for name in orders(vm.uuid) if states[VmId(name)] is not Power.UNKNOWN
    }
    return Listing(
        tuple(attachments(now.vms, place)),
        frozenset(VmId(name) for name in seen),
        tuple(_unread(vm) for vm in unread_vms(now.vms, place, known)),
        power=states,
        odd=odd(now.vms, place),
    )


def powers(now: Inventory) -> dict[VmId, Power]:
    """By both IDs by which a VM's guest may know it; unknown where two VMs have one."""
    counts = Counter(order for vm in now.vms for order in orders(vm.uuid))
    return {
        VmId(order): power(vm, now.hosts) if counts[order] == 1 else Power.UNKNOWN
        for vm in now.vms
        for order in orders(vm.uuid)
    }


def _state(vm: Vm, counts: Mapping[str, int]) -> AttachmentState:
    # Two VMs with one UUID: nobody can say which of them is the node.
    unique = bool(orders(vm.uuid)) and all(counts[order] == 1 for order in orders(vm.uuid))
    return AttachmentState.ATTACHED if unique else AttachmentState.UNCERTAIN


def power(vm: Vm, hosts: Mapping[str, str]) -> Power:
    """
    The power state, if vCenter can know it now.

    When the host is not connected, vCenter goes on showing the last state that it knew. A suspended VM is on: it goes
    on writing where it was once it is resumed.
    """
    if not vm.connected or vm.host is None or hosts.get(vm.host) != CONNECTED:
        return Power.UNKNOWN
    return {"poweredOff": Power.OFF, "poweredOn": Power.ON, SUSPENDED: Power.ON}.get(vm.power, Power.UNKNOWN)

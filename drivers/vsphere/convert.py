"""What vCenter says as plain values, and what follows from them. Pure: no pyVmomi, no I/O, no clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from controller.model import Attachment, AttachmentState, DiskId, Epoch, Power, VmId, VolumeKey
from drivers.base import DriverError
from drivers.vsphere.requests import Found

EPOCH_KEY = "reberth.epoch"
VM_KEY = "reberth.vm"
SLOT_KEY = "reberth.slot"
ENABLE_UUID_KEY = "disk.EnableUUID"
KEPT_KEYS = frozenset({EPOCH_KEY, VM_KEY, SLOT_KEY, ENABLE_UUID_KEY.lower()})
CONNECTED = "connected"
_UNFINISHED = "_copy"
_PATH = re.compile(r"^\[(?P<datastore>[^\]]+)\] *(?P<path>.+)$")


@dataclass(frozen=True, slots=True)
class File:
    datastore: str  # the datastore's managed object ID, or its name where vCenter gives no ID
    path: str


@dataclass(frozen=True, slots=True)
class Disk:
    """A virtual disk in a VM's configuration; more than one file when it is in a snapshot chain, top first."""

    key: int
    controller: int
    unit: int
    files: tuple[File, ...]
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class Controller:
    """A SCSI controller; ``taken`` holds all its used units, its own included."""

    key: int
    bus: int
    paravirtual: bool
    taken: frozenset[int]


@dataclass(frozen=True, slots=True)
class Vm:
    """One VM as vCenter knows it. ``readable`` is false when vCenter has no configuration for it."""

    ref: str
    name: str
    uuid: str = ""
    power: str = ""
    connection: str = ""
    host: str | None = None
    change_version: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
    controllers: tuple[Controller, ...] = ()
    readable: bool = True
    datastores: frozenset[str] = frozenset()

    @property
    def connected(self) -> bool:
        return self.connection == CONNECTED


@dataclass(frozen=True, slots=True)
class Host:
    ref: str
    connection: str


def key_of(disk: DiskId) -> VolumeKey:
    return VolumeKey(disk.rsplit("/", 1)[-1].removesuffix(".vmdk"))


def unfinished_pattern(key: VolumeKey) -> str:
    """Matches the names of all copies to this key that are under way or were cut off."""
    return f"{_UNFINISHED}.*.{key}.vmdk"


def keys_of(found: Iterable[Found], beginning: str) -> list[VolumeKey]:
    """Of descriptors of whole disks; a disk's data is in a file of its own beside, which some servers list too."""
    names = (each.name.removesuffix(".vmdk") for each in found)
    whole = (name for name in names if not name.endswith("-flat") and not name.startswith(f"{_UNFINISHED}."))
    return sorted(VolumeKey(name) for name in whole if name.startswith(beginning))


@dataclass(frozen=True, slots=True)
class Place:
    """Where our disks are. ``aliases``: other names of the folder in file names (vSAN shows a UUID in its place)."""

    datastore: str  # managed object ID
    name: str
    folder: str
    aliases: tuple[str, ...] = ()

    def disk(self, key: VolumeKey) -> DiskId:
        return DiskId(f"[{self.name}] {self.folder}/{key}.vmdk")

    def unfinished(self, key: VolumeKey, token: str) -> DiskId:
        """For a copy under way: no key begins like it, and the token makes it the one call's own."""
        return DiskId(f"[{self.name}] {self.folder}/{_UNFINISHED}.{token}.{key}.vmdk")

    def find(self, file: File) -> DiskId | None:
        """Our name for a file of ours, else None."""
        if file.datastore not in {self.datastore, self.name}:
            return None
        folder, _, base = file.path.rpartition("/")
        if folder not in {self.folder, *self.aliases}:
            return None
        return DiskId(f"[{self.name}] {self.folder}/{base}")

    def refusal(self, disk: DiskId) -> str | None:
        """Why this driver must not touch a disk, or None."""
        match = _PATH.match(disk)
        if match is None or self.find(File(match["datastore"], match["path"])) != disk:
            return (
                f"{disk} is not in [{self.name}] {self.folder}, where the settings say that the disks are; set "
                "datastore and folder back, or move the disk there"
            )
        return None


def parse_path(text: str) -> tuple[str, str] | None:
    """``[datastore] folder/file`` as its two parts."""
    match = _PATH.match(text)
    return (match["datastore"], match["path"].strip("/")) if match else None


def normal_uuid(text: str) -> str:
    """Lower case with hyphens, or "" if it is no UUID."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def orders(uuid: str) -> frozenset[str]:
    """
    Both ways in which a guest may show the UUID that vCenter knows.

    Firmware of newer virtual hardware stores the first three fields little-endian (SMBIOS 2.6 and later).
    """
    normal = normal_uuid(uuid)
    return frozenset({normal, str(UUID(bytes_le=UUID(normal).bytes))}) if normal else frozenset()


def identity(vm: Vm) -> VmId:
    """The ID by which the controller knows a VM: as stamped with its disks, else as vCenter writes it."""
    stamped = normal_uuid(vm.extra.get(VM_KEY, ""))
    # A clone carries the stamps of the VM that it was made from, but has a UUID of its own.
    return VmId(stamped if stamped in orders(vm.uuid) else normal_uuid(vm.uuid))


def stamp(vm: Vm) -> Epoch | None:
    """The epoch stamped on this VM; None if it has none, or only that of the VM it was cloned from."""
    if VM_KEY in vm.extra and normal_uuid(vm.extra[VM_KEY]) not in orders(vm.uuid):
        return None
    text = vm.extra.get(EPOCH_KEY, "")
    return Epoch(int(text)) if text.isdecimal() else None


def find(vms: Sequence[Vm], wanted: VmId) -> Vm | str:
    """The one VM with this ID, or why there is none: a guess could give a disk to the wrong machine."""
    found = [vm for vm in vms if wanted in orders(vm.uuid)]
    if len(found) == 1:
        return found[0]
    if not found:
        return f"no VM with the SMBIOS UUID {wanted} is visible in the inventory: wrong vCenter, or a missing role?"
    names = ", ".join(sorted(vm.name for vm in found))
    return f"the SMBIOS UUID {wanted} fits more than one VM ({names}): give all but one a new uuid.bios"


def ours(vm: Vm, place: Place) -> dict[DiskId, Disk]:
    """Our disks on a VM, also those under a snapshot."""
    found: dict[DiskId, Disk] = {}
    for disk in vm.disks:
        for file in disk.files:
            name = place.find(file)
            if name is not None:
                found[name] = disk
    return found


def unreadable(vms: Sequence[Vm], place: Place) -> str | None:
    """Why nobody can say who has which disk, or None: a VM that may hold one cannot be read."""
    found = [vm for vm in vms if not vm.readable and (not vm.datastores or place.datastore in vm.datastores)]
    if not found:
        return None
    names = ", ".join(f"{vm.name} ({vm.connection or 'no state'})" for vm in found)
    return (
        f"vCenter cannot read the configuration of {names}, which may hold a disk: repair it, or remove it from the "
        "inventory if it is dead"
    )


def attachments(vms: Sequence[Vm], place: Place) -> list[Attachment]:
    """Raises DriverError when a VM that may hold one of our disks cannot be read."""
    if (why := unreadable(vms, place)) is not None:
        raise DriverError(why)
    holders = [vm for vm in vms if vm.readable]
    counts = Counter(order for vm in holders for order in orders(vm.uuid))
    return [
        Attachment(disk, identity(vm), _state(vm, counts), stamp(vm))
        for vm in holders
        for disk in sorted(ours(vm, place))
    ]


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
    return {"poweredOff": Power.OFF, "poweredOn": Power.ON, "suspended": Power.ON}.get(vm.power, Power.UNKNOWN)


def by_id(uuid: str) -> tuple[str, ...]:
    """
    Names under /dev/disk/by-id for a disk's UUID (``6000C29x-...``, or in pairs ``60 00 C2 9x ...``).

    udev's scsi_id makes them when the VM has disk.EnableUUID = TRUE.
    """
    digits = re.sub(r"[^0-9a-f]", "", uuid.lower())
    return (f"wwn-0x{digits}", f"scsi-3{digits}")


def shows_uuids(vm: Vm) -> bool:
    return vm.extra.get(ENABLE_UUID_KEY.lower(), "").strip().lower() in {"true", "1", "yes"}

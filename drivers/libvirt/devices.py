"""What is written into a VM's XML: disks, where they go, and the names by which guests find them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Set
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, product
from xml.etree import ElementTree as ET

from controller.model import DiskId, VmId
from drivers.libvirt.inventory import HeldDisk, Seat
from drivers.libvirt.rbd.settings import RbdSettings, monitor
from drivers.libvirt.settings import Settings

TARGETS = 255  # SCSI targets of one virtio-scsi controller that guests scan


def stamp_xml(vm: VmId, unit: int) -> str:
    return ET.tostring(ET.Element("stamp", {"vm": vm, "unit": str(unit)}), encoding="unicode")


def wwn(disk: DiskId) -> str:
    """The same on every VM and at every time: from the disk's path. NAA 5, so that udev and the kernel show it."""
    return "5" + sha256(disk.encode()).hexdigest()[:15]


def serial(disk: DiskId) -> str:
    return f"rb{sha256(disk.encode()).hexdigest()[:18]}"


def by_id(held: HeldDisk) -> tuple[str, ...]:
    """Udev's names, as its rules make them with and without a WWN."""
    if held.wwn:
        digits = held.wwn.removeprefix("0x").lower()
        return (f"wwn-0x{digits}", f"scsi-3{digits}")
    if held.serial:
        return (f"virtio-{held.serial[:20]}",) if held.bus == "virtio" else (f"scsi-0QEMU_QEMU_HARDDISK_{held.serial}",)
    return ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a disk goes on a VM."""

    controller: int
    unit: int
    target: str


def places(seat: Seat, wanted: int) -> list[Place]:
    """
    Free places, at most as many as wanted; none without a virtio-scsi controller.

    SCSI targets are used in turn: a guest that is slow to notice may still have the dead device of the disk that was
    there, with a file system mounted on it.
    """
    live = seat.live
    if live is None or live.controller is None:
        return []
    disks = [disk for side in seat.sides for disk in side.disks]
    units = _free_units(seat.last_unit, {disk.unit for disk in disks if disk.bus == "scsi"})
    names = _free_names({disk.target for disk in disks})
    return [Place(live.controller, unit, next(names)) for unit in units[:wanted]]


def _free_units(last: int, used: Set[int | None]) -> list[int]:
    turn = ((last + step) % TARGETS for step in range(1, TARGETS + 1))
    return [unit for unit in turn if unit not in used and unit != 0]


def _free_names(used: Set[str]) -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = chain(letters, map("".join, product(letters, letters)))
    return (f"sd{end}" for end in ends if f"sd{end}" not in used)


def disk_xml(disk: DiskId, name: str, place: Place, alias: str, settings: Settings) -> str:
    """
    ``name``: by which QEMU opens the disk: a file's path, or an image's name in Ceph's pool.

    ``alias`` is the attachment's own name: a detach by it cannot hit a later attachment of the same disk.

    ``discard=unmap``: what the guest gives back (the gate trims once a day) makes the file smaller again.

    ``snapshot=no``: a snapshot of the VM leaves the disk alone, else its newest data would go into another file.
    """
    extension = posixpath.splitext(disk)[1].removeprefix(".")
    kind = "file" if settings.rbd is None else "network"
    root = ET.Element("disk", {"type": kind, "device": "disk", "snapshot": "no"})
    how = {"name": "qemu", "type": extension, "cache": settings.cache, "discard": "unmap"}
    ET.SubElement(root, "driver", how)
    if settings.rbd is None:
        ET.SubElement(root, "source", {"file": name})
    else:
        _rbd_source(root, name, settings.rbd)
    ET.SubElement(root, "target", {"dev": place.target, "bus": "scsi"})
    ET.SubElement(root, "serial").text = serial(disk)
    ET.SubElement(root, "wwn").text = wwn(disk)
    ET.SubElement(root, "alias", {"name": alias})
    at = {"type": "drive", "controller": str(place.controller), "bus": "0", "target": str(place.unit), "unit": "0"}
    ET.SubElement(root, "address", at)
    return ET.tostring(root, encoding="unicode")


def _rbd_source(root: ET.Element, image: str, rbd: RbdSettings) -> None:
    source = ET.SubElement(root, "source", {"protocol": "rbd", "name": f"{rbd.pool}/{image}"})
    for each in rbd.monitors:
        host, port = monitor(each)
        ET.SubElement(source, "host", {"name": host} | ({"port": port} if port else {}))
    auth = ET.SubElement(source, "auth", {"username": rbd.vm_user})
    ET.SubElement(auth, "secret", {"type": "ceph", "uuid": rbd.secret})


def volume_xml(name: str, size_bytes: int, extension: str) -> str:
    root = ET.Element("volume")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "capacity", {"unit": "bytes"}).text = str(size_bytes)
    ET.SubElement(root, "allocation", {"unit": "bytes"}).text = "0"
    ET.SubElement(ET.SubElement(root, "target"), "format", {"type": extension})
    return ET.tostring(root, encoding="unicode")


def backup_xml(target: str, file: str, extension: str) -> str:
    """Of one disk of a VM, to a file that is there; of no other one."""
    root = ET.Element("domainbackup", {"mode": "push"})
    disk = ET.SubElement(ET.SubElement(root, "disks"), "disk", {"name": target, "backup": "yes", "type": "file"})
    ET.SubElement(disk, "target", {"file": file})
    ET.SubElement(disk, "driver", {"type": extension})
    return ET.tostring(root, encoding="unicode")


def backups_of(xml: str) -> dict[str, str]:
    """Of a job that copies disks of a VM: which device to which file."""
    disks = ET.fromstring(xml).iterfind("disks/disk[@backup='yes']")  # noqa: S314 - libvirt's own
    found = ((each.get("name", ""), each.find("target")) for each in disks)
    return {name: at.get("file", "") for name, at in found if at is not None}


def plain_xml(disk: HeldDisk) -> str:
    """Enough to find a disk of the persistent configuration that was put there by hand, without a name of ours."""
    root = ET.Element("disk", {"type": "network" if disk.image else "file", "device": "disk"})
    if disk.image:
        ET.SubElement(root, "source", {"protocol": "rbd", "name": disk.image})
    elif disk.files:
        ET.SubElement(root, "source", {"file": disk.files[0]})
    ET.SubElement(root, "target", {"dev": disk.target, "bus": disk.bus})
    return ET.tostring(root, encoding="unicode")

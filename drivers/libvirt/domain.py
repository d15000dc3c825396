"""libvirt's XML to what we need of it, and back. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from xml.etree import ElementTree as ET

from controller.model import DiskId, Epoch, VmId, VolumeKey
from drivers.libvirt.settings import Settings

PREFIX = "reberth-"  # of our files in the pool, and of our metadata
STAMPS = "https://reberth.invalid/libvirt/epoch/"  # a name, not a place; the epoch follows
MARK = "_copy."  # of an empty file beside a copy that may not be whole; no file of ours begins so
_SCSI = "virtio-scsi"
TARGETS = 255  # SCSI targets of one virtio-scsi controller that guests scan


@dataclass(frozen=True, slots=True)
class Pool:
    """A storage pool as one host shows it."""

    name: str
    kind: str
    path: str
    active: bool

    def disk(self, key: str, extension: str) -> DiskId:
        return DiskId(posixpath.join(self.path, f"{PREFIX}{key}.{extension}"))

    def refusal(self, disk: DiskId) -> str | None:
        folder, file = posixpath.split(disk)
        if folder == self.path and file.startswith(PREFIX):
            return None
        return f"{disk} is not one of our files in {self.path}, the folder of the pool {self.name}"


def keys_of(files: Sequence[str], beginning: str) -> list[VolumeKey]:
    """Of files of ours, whatever their format, but for copies that may not be whole."""
    half = {file.removeprefix(MARK).split(".")[0] for file in files if file.startswith(MARK)}
    keys = [key_of(file) for file in files if file.startswith(PREFIX + beginning)]
    return sorted(key for key in keys if key not in half)


def key_of(file: str) -> VolumeKey:
    """Of a file of ours, or of its path."""
    return VolumeKey(posixpath.splitext(posixpath.basename(file))[0].removeprefix(PREFIX))


def mark(key: VolumeKey, token: str) -> str:
    return f"{MARK}{key}.{token}.raw"


def marks_of(files: Iterable[str], key: VolumeKey) -> list[str]:
    return sorted(file for file in files if file.startswith(f"{MARK}{key}."))


@dataclass(frozen=True, slots=True)
class HeldDisk:
    """A disk device of a VM, in its live or in its persistent configuration."""

    files: tuple[str, ...]  # the image, and those under it (snapshots)
    target: str  # sdb
    bus: str
    alias: str | None = None
    wwn: str | None = None
    serial: str | None = None
    unit: int | None = None  # SCSI target on our controller


@dataclass(frozen=True, slots=True)
class Side:
    """One configuration of a VM: the live or the persistent one."""

    disks: tuple[HeldDisk, ...] = ()
    controller: int | None = None  # index of its first virtio-scsi controller
    stamps: Mapping[Epoch, int] = field(default_factory=dict)  # epoch -> last SCSI target used


@dataclass(frozen=True, slots=True)
class Seat:
    """A VM on one host. A VM that moved may have left its configuration on another."""

    host: int  # index of the host
    vm: VmId
    name: str
    live: Side | None  # None: it is off
    kept: Side | None  # None: it has no persistent configuration

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(side for side in (self.live, self.kept) if side is not None)

    @property
    def stamp(self) -> Epoch | None:
        return max((epoch for side in self.sides for epoch in side.stamps), default=None)

    @property
    def last_unit(self) -> int:
        """The SCSI target used last, as the newest stamp notes it."""
        return max((each for side in self.sides for each in side.stamps.items()), default=(0, 0))[1]

    def holds(self, pool: Pool) -> dict[DiskId, list[HeldDisk]]:
        found: dict[DiskId, list[HeldDisk]] = {}
        for side in self.sides:
            for disk in side.disks:
                for file in disk.files:
                    if pool.refusal(DiskId(file)) is None:
                        found.setdefault(DiskId(file), []).append(disk)
        return found


def parse_pool(text: str, active: bool) -> Pool:
    root = ET.fromstring(text)  # noqa: S314 - from the hypervisor, which is trusted with the disks themselves
    return Pool(_text(root, "name"), root.get("type", ""), posixpath.normpath(_text(root, "target/path")), active)


def parse_written(text: str) -> str:
    """The modification time in a volume's XML."""
    return _text(ET.fromstring(text), "target/timestamps/mtime")  # noqa: S314


def parse_side(text: str, vm: VmId, pools: Mapping[str, str]) -> Side:
    """``pools``: folder by name, for disks that are named as volumes. Raises ET.ParseError."""
    root = ET.fromstring(text)  # noqa: S314
    controllers = [
        int(each.get("index", "0"))
        for each in root.iterfind("devices/controller[@type='scsi']")
        if each.get("model") == _SCSI
    ]
    disks = tuple(_disk(each, pools) for each in root.iterfind("devices/disk"))
    return Side(disks, min(controllers, default=None), dict(_stamps(root, vm)))


def _disk(element: ET.Element, pools: Mapping[str, str]) -> HeldDisk:
    target, alias, address = element.find("target"), element.find("alias"), element.find("address")
    unit = None if address is None or address.get("type") != "drive" else address.get("target")
    return HeldDisk(
        files=tuple(file for file in (_file(each, pools) for each in element.iter("source")) if file),
        target="" if target is None else target.get("dev", ""),
        bus="" if target is None else target.get("bus", ""),
        alias=None if alias is None else alias.get("name"),
        wwn=_text(element, "wwn") or None,
        serial=_text(element, "serial") or None,
        unit=None if unit is None else int(unit),
    )


def _file(source: ET.Element, pools: Mapping[str, str]) -> str | None:
    pool, volume = source.get("pool"), source.get("volume")
    if pool and volume:
        return posixpath.join(pools.get(pool, f"/unknown pool {pool}"), volume)
    path = source.get("file") or source.get("dev")
    return posixpath.normpath(path) if path else None


def _stamps(root: ET.Element, vm: VmId) -> Iterator[tuple[Epoch, int]]:
    """A stamp counts only on the VM that it names: clones inherit metadata."""
    for element in root.iterfind("metadata/*"):
        namespace, _, name = element.tag.removeprefix("{").partition("}")
        epoch = namespace.removeprefix(STAMPS)
        if name == "stamp" and namespace.startswith(STAMPS) and epoch.isdigit() and element.get("vm") == vm:
            unit = element.get("unit", "0")
            yield Epoch(int(epoch)), int(unit) if unit.isdigit() else 0


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def stamp_uri(epoch: Epoch) -> str:
    return f"{STAMPS}{epoch}"


def stamp_xml(vm: VmId, unit: int) -> str:
    return ET.tostring(ET.Element("stamp", {"vm": vm, "unit": str(unit)}), encoding="unicode")


def wwn(disk: DiskId) -> str:
    """The same on every VM and at every time: from the file's name. NAA 5, so that udev and the kernel show it."""
    return "5" + sha256(posixpath.basename(disk).encode()).hexdigest()[:15]


def serial(disk: DiskId) -> str:
    return f"rb{sha256(posixpath.basename(disk).encode()).hexdigest()[:18]}"


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
    used = {disk.unit for side in seat.sides for disk in side.disks if disk.bus == "scsi"}
    names = {disk.target for side in seat.sides for disk in side.disks}
    turn = [(seat.last_unit + step) % TARGETS for step in range(1, TARGETS + 1)]
    free = [unit for unit in turn if unit not in used and unit != 0]
    fresh = (name for name in _names() if name not in names)
    return [Place(live.controller, unit, next(fresh)) for unit in free[:wanted]]


def _names() -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    yield from (f"sd{one}" for one in letters)
    yield from (f"sd{one}{two}" for one in letters for two in letters)


def disk_xml(disk: DiskId, place: Place, alias: str, settings: Settings) -> str:
    """
    ``alias`` is the attachment's own name: a detach by it cannot hit a later attachment of the same disk.

    ``snapshot=no``: a snapshot of the VM leaves the disk alone, else its newest data would go into another file.
    """
    extension = posixpath.splitext(disk)[1].removeprefix(".")
    root = ET.Element("disk", {"type": "file", "device": "disk", "snapshot": "no"})
    ET.SubElement(root, "driver", {"name": "qemu", "type": extension, "cache": settings.cache})
    ET.SubElement(root, "source", {"file": disk})
    ET.SubElement(root, "target", {"dev": place.target, "bus": "scsi"})
    ET.SubElement(root, "serial").text = serial(disk)
    ET.SubElement(root, "wwn").text = wwn(disk)
    ET.SubElement(root, "alias", {"name": alias})
    at = {"type": "drive", "controller": str(place.controller), "bus": "0", "target": str(place.unit), "unit": "0"}
    ET.SubElement(root, "address", at)
    return ET.tostring(root, encoding="unicode")


def volume_xml(name: str, size_bytes: int, extension: str) -> str:
    root = ET.Element("volume")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "capacity", {"unit": "bytes"}).text = str(size_bytes)
    ET.SubElement(root, "allocation", {"unit": "bytes"}).text = "0"
    ET.SubElement(ET.SubElement(root, "target"), "format", {"type": extension})
    return ET.tostring(root, encoding="unicode")

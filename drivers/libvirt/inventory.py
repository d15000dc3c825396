"""libvirt's XML as what we need of it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from controller.model import DiskId, Epoch, VmId, VolumeKey
from drivers.libvirt.standing import Standing

PREFIX = "reberth-"  # of our files in the pool, and of our metadata
STAMPS = "https://reberth.invalid/libvirt/epoch/"  # a name, not a place; the epoch follows
MARK = "_copy."  # of an empty file beside a copy that may not be whole; no file of ours begins so
CEPH = "ceph"  # kind of the pool of Ceph's, which libvirt does not know as a pool
_SCSI = "virtio-scsi"


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
    image: str | None = None  # Ceph's POOL/IMAGE, where it is one


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
    live: Side | None  # None: it does not run
    kept: Side | None  # None: it has no persistent configuration
    saved: Side | None = None  # what is in the image of its memory, where libvirt keeps one
    standing: Standing = Standing.RUNS
    unread: str = ""  # why not all of it could be read

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
        """Our disks, also those that it will have again when it is resumed."""
        found: dict[DiskId, list[HeldDisk]] = {}
        for side in (*self.sides, *((self.saved,) if self.saved else ())):
            for disk in side.disks:
                for file in disk.files:
                    if pool.refusal(DiskId(file)) is None:
                        found.setdefault(DiskId(file), []).append(disk)
        return found


@dataclass(frozen=True, slots=True)
class HostView:
    """All of one host, in one look."""

    uri: str
    pool: Pool
    seats: tuple[Seat, ...]


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
    unit = _attribute(element, "address[@type='drive']", "target")
    files = (_file(each, pools) for each in element.iter("source"))
    return HeldDisk(
        files=tuple(file for file in files if file),
        target=_attribute(element, "target", "dev"),
        bus=_attribute(element, "target", "bus"),
        alias=_attribute(element, "alias", "name") or None,
        wwn=_text(element, "wwn") or None,
        serial=_text(element, "serial") or None,
        unit=int(unit) if unit else None,
        image=_attribute(element, "source[@protocol='rbd']", "name") or None,
    )


def _attribute(element: ET.Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def _file(source: ET.Element, pools: Mapping[str, str]) -> str | None:
    pool, volume = source.get("pool"), source.get("volume")
    if pool and volume:
        return posixpath.join(pools.get(pool, f"/unknown pool {pool}"), volume)
    if source.get("protocol") == "rbd":
        return _image(source.get("name", ""))
    path = source.get("file") or source.get("dev")
    return posixpath.normpath(path) if path else None


def ceph_pool(name: str) -> Pool:
    """Its path is what stands before a disk's name in its ID."""
    return Pool(name, CEPH, f"rbd:{name}", active=True)


def _image(name: str) -> str:
    """As ours are known: whatever name one of them had when it was attached, it is the same disk."""
    pool, _, image = name.rpartition("/")
    if image.startswith(PREFIX):
        image = f"{image.rpartition('.')[0]}.raw"
    return f"rbd:{pool}/{image}"


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

"""libvirt's XML as what we need of it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from controller.model import DiskId, Epoch, VmId, VolumeKey
from drivers.libvirt.looking.pools import PREFIX, Pools
from drivers.libvirt.standing import Standing
from drivers.shared.numbers import number

STAMPS = "https://reberth.invalid/libvirt/epoch/"  # a name, not a place; the epoch follows
MARK = "_copy."  # of an empty file beside a copy that may not be whole; no file of ours begins so
OWNER = "_swarm."  # of an empty file that names the swarm to which a pool belongs
OURS = "ua-reberth-"  # how the names of our attachments begin; libvirt keeps only those with ua-
_SCSI = "virtio-scsi"


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


def owner(swarm: str) -> str:
    return f"{OWNER}{swarm}.raw"


def owners_of(files: Iterable[str]) -> frozenset[str]:
    """The swarms that noted themselves among these files."""
    return frozenset(file.split(".")[1] for file in files if file.startswith(OWNER) and file.endswith(".raw"))


@dataclass(frozen=True, slots=True)
class HeldDisk:
    """A disk device of a VM, in its live or in its persistent configuration."""

    files: tuple[str, ...]  # the image, those under it (snapshots), and what it is being copied to
    target: str  # sdb
    bus: str
    alias: str | None = None
    wwn: str | None = None
    serial: str | None = None
    unit: int | None = None  # SCSI target on our controller
    image: str | None = None  # Ceph's POOL/IMAGE, where it is one
    shareable: bool = False  # no lock keeps another VM from writing to it
    transient: bool = False  # what is written is thrown away when the VM ends
    copied_to: str = ""  # by a job of QEMU's that has not ended (`virsh blockcopy`)

    @property
    def chain(self) -> tuple[str, ...]:
        """What its data is in."""
        return tuple(file for file in self.files if file != self.copied_to)

    @property
    def by_us(self) -> bool:
        return (self.alias or "").startswith(OURS)


@dataclass(frozen=True, slots=True)
class Side:
    """One configuration of a VM: the live or the persistent one."""

    disks: tuple[HeldDisk, ...] = ()
    controller: int | None = None  # index of its first virtio-scsi controller
    stamps: Mapping[Epoch, int] = field(default_factory=dict)  # epoch -> last SCSI target used
    of_another: bool = False  # bears a stamp of another VM, from which this one was cloned


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
    def all_sides(self) -> tuple[Side, ...]:
        """Also the one with which it will be resumed."""
        return (*self.sides, *((self.saved,) if self.saved else ()))

    @property
    def cloned(self) -> bool:
        """What is noted on it, and how its disks are called, is about the VM that it was cloned from."""
        return self.stamp is None and any(side.of_another for side in self.sides)

    @property
    def stamp(self) -> Epoch | None:
        return max((epoch for side in self.sides for epoch in side.stamps), default=None)

    @property
    def last_unit(self) -> int:
        """The SCSI target used last, as the newest stamp notes it."""
        return max((each for side in self.sides for each in side.stamps.items()), default=(0, 0))[1]

    def holds(self, pools: Pools) -> dict[DiskId, list[HeldDisk]]:
        """
        Our disks, also those that it will have again when it is resumed.

        And those that are ours if anybody's, in a pool of which nobody can say that now.
        """
        found: dict[DiskId, list[HeldDisk]] = {}
        for side in self.all_sides:
            for disk in side.disks:
                for file in map(DiskId, disk.files):
                    if pools.of(file) is not None or pools.doubt(file, by_us=disk.by_us) is not None:
                        found.setdefault(file, []).append(disk)
        return found


def parse_written(text: str) -> str:
    """The modification time in a volume's XML."""
    return _text(ET.fromstring(text), "target/timestamps/mtime")  # noqa: S314


def parse_side(text: str, vm: VmId, folder: Callable[[str], str]) -> Side:
    """``folder``: of a pool of this name, for disks that are named as volumes. Raises ET.ParseError."""
    root = ET.fromstring(text)  # noqa: S314
    controllers = [
        int(each.get("index", "0"))
        for each in root.iterfind("devices/controller[@type='scsi']")
        if each.get("model") == _SCSI
    ]
    disks = tuple(_disk(each, folder) for each in root.iterfind("devices/disk"))
    stamps = list(_stamps(root))
    return Side(
        disks,
        min(controllers, default=None),
        {epoch: unit for of, epoch, unit in stamps if of == vm},
        of_another=any(of != vm for of, _, _ in stamps),
    )


def _disk(element: ET.Element, folder: Callable[[str], str]) -> HeldDisk:
    unit = _attribute(element, "address[@type='drive']", "target")
    files = (_file(each, folder) for each in element.iter("source"))
    return HeldDisk(
        files=tuple(file for file in files if file),
        target=_attribute(element, "target", "dev"),
        bus=_attribute(element, "target", "bus"),
        alias=_attribute(element, "alias", "name") or None,
        wwn=_text(element, "wwn") or None,
        serial=_text(element, "serial") or None,
        unit=int(unit) if unit else None,
        image=_attribute(element, "source[@protocol='rbd']", "name") or None,
        shareable=element.find("shareable") is not None,
        transient=element.find("transient") is not None,
        copied_to=_copied_to(element, folder),
    )


def _copied_to(element: ET.Element, folder: Callable[[str], str]) -> str:
    """A commit into the file below is none: the disk is that file afterwards."""
    if element.find("mirror[@job='copy']") is None:
        return ""
    source = element.find("mirror/source")
    return (None if source is None else _file(source, folder)) or "another host"


def _attribute(element: ET.Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def _file(source: ET.Element, folder: Callable[[str], str]) -> str | None:
    pool, volume = source.get("pool"), source.get("volume")
    if pool and volume:
        return posixpath.join(folder(pool), volume)
    if source.get("protocol") == "rbd":
        return _image(source.get("name", ""))
    path = source.get("file") or source.get("dev")
    return posixpath.normpath(path) if path else None


def _image(name: str) -> str:
    """As ours are known: whatever name one of them had when it was attached, it is the same disk."""
    pool, _, image = name.rpartition("/")
    if image.startswith(PREFIX):
        image = f"{image.rpartition('.')[0]}.raw"
    return f"rbd:{pool}/{image}"


def _stamps(root: ET.Element) -> Iterator[tuple[str, Epoch, int]]:
    """Each with the VM that it names. It counts only on that one: clones inherit metadata."""
    for element in root.iterfind("metadata/*"):
        namespace, _, name = element.tag.removeprefix("{").partition("}")
        epoch = number(namespace.removeprefix(STAMPS))
        if name == "stamp" and namespace.startswith(STAMPS) and epoch is not None:
            yield element.get("vm", ""), Epoch(epoch), number(element.get("unit", "0")) or 0


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def stamp_uri(epoch: Epoch) -> str:
    return f"{STAMPS}{epoch}"

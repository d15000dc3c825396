"""Where our disks are, and what their files are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

from controller.model import DiskId, VolumeKey
from drivers.vsphere.inventory.keys import Pin
from drivers.vsphere.inventory.values import Datastore, File, Found

_UNFINISHED = "_copy"
_OWNER = "_swarm"  # of an empty disk that names the swarm to which the folder belongs
OWNERS = f"{_OWNER}.*"
# A datastore's name may have brackets of its own, and is none where the host does not know it: see `_found`.
_PATH = re.compile(r"^\[(?P<datastore>.*?)\] +(?P<path>[^ ].*)$|^\[(?P<name>[^\]]*)\](?P<rest>[^ ].*)$")
# Where no name is known for a datastore, servers write a file by its mount, or by its URL.
_MOUNTED = re.compile(r"^(?:\[\] *)?(?:ds://)?/+(?P<path>vmfs/volumes/.+)$")
_VOLUMES = "vmfs/volumes/"
_PARTS = ("-flat", "-ctk", "-delta", "-sesparse")
_SNAPSHOT = re.compile(r"-[0-9]{6}$")


def key_of(disk: DiskId) -> VolumeKey:
    return VolumeKey(disk.rsplit("/", 1)[-1].removesuffix(".vmdk"))


def unfinished_pattern(key: VolumeKey) -> str:
    """Matches the names of all copies to this key that are under way or were cut off."""
    return f"{_UNFINISHED}.*.{key}.vmdk"


def keys_of(found: Iterable[Found], beginning: str) -> list[VolumeKey]:
    """
    Of descriptors of whole disks. A disk's data and what changed in it are in files beside, which some servers list
    too; so are the disks of snapshots of it.
    """
    names = {each.name.removesuffix(".vmdk") for each in found}
    others = (f"{_UNFINISHED}.", f"{_OWNER}.")
    whole = (name for name in names if not name.endswith(_PARTS) and not name.startswith(others))
    disks = (name for name in whole if _SNAPSHOT.sub("", name) not in names - {name})
    return sorted(VolumeKey(name) for name in disks if name.startswith(beginning))


def owners_of(found: Iterable[Found]) -> frozenset[str]:
    """The swarms that noted themselves among these files."""
    names = (each.name.removesuffix(".vmdk") for each in found if each.name.startswith(f"{_OWNER}."))
    return frozenset(name.split(".")[1] for name in names if not name.endswith("-flat"))


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where our disks are: a folder on the first datastore, and of the same name on ``others``.

    ``aliases``: other names of the folder in file names (vSAN shows a UUID in its place). ``twins``: managed object IDs
    under which other datacenters know the same storage. Both are of the first datastore; ``others`` have none in turn.
    ``option``: how the settings name this datastore; ``pod``: how they name a datastore cluster that it is in now.
    """

    datastore: str  # managed object ID
    name: str
    folder: str
    aliases: tuple[str, ...] = ()
    url: str = ""
    twins: frozenset[str] = frozenset()
    others: tuple[Place, ...] = ()
    option: str = ""
    pod: str = ""

    @property
    def each(self) -> tuple[Place, ...]:
        """One for each datastore, the first one first."""
        return (replace(self, others=()), *self.others)

    @property
    def several(self) -> bool:
        """Whether a disk's name alone does not say where it is, or will not when a datastore cluster has grown."""
        return bool(self.others or self.pod)

    def meant(self, said: str) -> tuple[Place, ...]:
        """The datastores that the settings mean by this name; several of a datastore cluster."""
        return tuple(each for each in self.each if said in {each.option, each.pod})

    def among(self, datastores: Iterable[Datastore]) -> Place:
        found = tuple(datastores)
        same = {each.ref for each in found if self.url and each.url == self.url}
        return replace(self, twins=frozenset(same), others=tuple(each.among(found) for each in self.others))

    @property
    def refs(self) -> frozenset[str]:
        return frozenset(chain(self.twins, [self.datastore], *(each.refs for each in self.others)))

    def named(self, datastore: str) -> Place | None:
        """The one datastore of this name."""
        return next((each for each in self.each if each.name == datastore), None)

    def of(self, disk: DiskId) -> Place:
        """The datastore of a disk of ours."""
        found = parse_path(disk)
        return (self.named(found[0]) if found else None) or self.each[0]

    def disk(self, key: VolumeKey) -> DiskId:
        return DiskId(f"[{self.name}] {self.folder}/{key}.vmdk")

    def pin(self, disk: DiskId) -> Pin:
        return Pin(key_of(disk), self.of(disk).name if self.several else "")

    def pinned(self, pin: Pin) -> list[DiskId]:
        """What a pinned disk may be called: of a pin without a datastore it may be on any."""
        names = [pin.datastore] if pin.datastore else [each.name for each in self.each]
        return [DiskId(f"[{name}] {self.folder}/{pin.key}.vmdk") for name in names]

    def unfinished(self, key: VolumeKey, token: str) -> DiskId:
        """For a copy under way: no key begins like it, and the token makes it the one call's own."""
        return DiskId(f"[{self.name}] {self.folder}/{_UNFINISHED}.{token}.{key}.vmdk")

    def owner(self, swarm: str) -> DiskId:
        """The note of a swarm that the folder is its own."""
        return DiskId(f"[{self.name}] {self.folder}/{_OWNER}.{swarm}.vmdk")

    def find(self, file: File) -> DiskId | None:
        """Our name for a file of ours, else None."""
        return next((disk for each in (self, *self.others) if (disk := _found(each, file)) is not None), None)

    def refusal(self, disk: DiskId) -> str | None:
        """Why this driver must not touch a disk, or None."""
        parsed = parse_path(disk)
        if parsed is None or self.find(File(*parsed)) != disk:
            places = " or ".join(f"[{each.name}] {each.folder}" for each in self.each)
            return (
                f"{disk} is not in {places}, where the settings say that the disks are; set datastore, datastores and "
                "folder back, or move the disk there"
            )
        return None


def _found(at: Place, file: File) -> DiskId | None:
    """
    On this datastore alone.

    Of one that is lost vCenter shows no name, but where it was mounted: ``[] /vmfs/volumes/UUID/folder/file``.
    """
    path, mounted = file.path, f"{_VOLUMES}{at.url.rstrip('/').rpartition('/')[2]}/"
    if not file.datastore and path.startswith(mounted):
        path = path.removeprefix(mounted)
    elif file.datastore not in {*at.twins, at.datastore, at.name}:
        return None
    folder, _, base = path.rpartition("/")
    if folder not in {at.folder, *at.aliases}:
        return None
    return DiskId(f"[{at.name}] {at.folder}/{base}")


def parse_path(text: str) -> tuple[str, str] | None:
    """``[datastore] folder/file`` as its two parts; of a file by its mount the first is empty."""
    mounted = _MOUNTED.match(text)
    if mounted is not None:
        return "", mounted["path"].strip("/")
    match = _PATH.match(text)
    if match is None:
        return None
    datastore, path = match["datastore"] or match["name"] or "", match["path"] or match["rest"]
    return datastore, path.strip("/")


def below_mount(path: str) -> str:
    """``vmfs/volumes/UUID/folder/file`` without its beginning; any other path as it is."""
    return path.split("/", 3)[-1] if path.startswith(_VOLUMES) else path


def by_id(uuid: str) -> tuple[str, ...]:
    """
    Names under /dev/disk/by-id for a disk's UUID (``6000C29x-...``, or in pairs ``60 00 C2 9x ...``).

    udev's scsi_id makes them when the VM has disk.EnableUUID = TRUE.
    """
    digits = re.sub(r"[^0-9a-f]", "", uuid.lower())
    return (f"wwn-0x{digits}", f"scsi-3{digits}")

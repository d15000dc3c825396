"""Where our disks are, and what their files are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from controller.model import DiskId, VolumeKey
from drivers.vsphere.inventory.values import Datastore, File, Found

_UNFINISHED = "_copy"
_PATH = re.compile(r"^\[(?P<datastore>[^\]]+)\] *(?P<path>.+)$")


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
    """
    Where our disks are. ``aliases``: other names of the folder in file names (vSAN shows a UUID in its place).

    ``twins``: managed object IDs under which other datacenters know the same storage.
    """

    datastore: str  # managed object ID
    name: str
    folder: str
    aliases: tuple[str, ...] = ()
    url: str = ""
    twins: frozenset[str] = frozenset()

    def among(self, datastores: Iterable[Datastore]) -> Place:
        same = {each.ref for each in datastores if self.url and each.url == self.url}
        return replace(self, twins=frozenset(same))

    @property
    def refs(self) -> frozenset[str]:
        return self.twins | {self.datastore}

    def disk(self, key: VolumeKey) -> DiskId:
        return DiskId(f"[{self.name}] {self.folder}/{key}.vmdk")

    def unfinished(self, key: VolumeKey, token: str) -> DiskId:
        """For a copy under way: no key begins like it, and the token makes it the one call's own."""
        return DiskId(f"[{self.name}] {self.folder}/{_UNFINISHED}.{token}.{key}.vmdk")

    def find(self, file: File) -> DiskId | None:
        """Our name for a file of ours, else None."""
        if file.datastore not in {*self.refs, self.name}:
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


def by_id(uuid: str) -> tuple[str, ...]:
    """
    Names under /dev/disk/by-id for a disk's UUID (``6000C29x-...``, or in pairs ``60 00 C2 9x ...``).

    udev's scsi_id makes them when the VM has disk.EnableUUID = TRUE.
    """
    digits = re.sub(r"[^0-9a-f]", "", uuid.lower())
    return (f"wwn-0x{digits}", f"scsi-3{digits}")

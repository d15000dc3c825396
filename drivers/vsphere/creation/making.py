"""
Where and how a volume's disk is made: what its options say, else the settings.

A key is of one disk. So who says no datastore gets the one that was made under its key before, on whichever datastore
it is, also after the settings name another one first.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.model import DiskId, DriverOption, Spec, VolumeKey
from drivers.base import Created, CreateOutcome, Refused
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure, not_begun
from drivers.vsphere.async_session import Calls
from drivers.vsphere.creation.copying import Copier
from drivers.vsphere.faults import Fault, Kind, is_kind
from drivers.vsphere.inventory import Place, keys_of
from drivers.vsphere.settings import DISK_FORMATS, DiskFormat, Settings

DISKFORMAT, DATASTORE, STORAGE_POLICY = "diskformat", "datastore", "storage-policy"
KIB = 1024


def options(settings: Settings) -> tuple[DriverOption, ...]:
    usual = next(word for word, each in DISK_FORMATS.items() if each == settings.disk_format)
    stores = tuple(settings.stores)
    return (
        DriverOption(DISKFORMAT, tuple(DISK_FORMATS), usual, "of the disk; not for copies"),
        DriverOption(DATASTORE, stores, stores[0], "where the disk is made; of a copy: its source's", copies=True),
        DriverOption(STORAGE_POLICY, (), settings.storage_policy or "none", "a storage policy of vCenter", copies=True),
    )


def policy_of(spec: Spec, settings: Settings) -> str | None:
    """By name: what the volume says, else the settings."""
    return dict(spec.for_driver).get(STORAGE_POLICY, settings.storage_policy)


class Maker:
    def __init__(self, calls: Calls, settings: Settings, copier: Copier) -> None:
        self._calls = calls
        self._settings = settings
        self._copier = copier

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        size, disk_format = -(-spec.size_bytes // KIB), self._format(spec)
        try:
            disk = await self._disk(key, spec)
        except CallError as error:
            return not_begun(error)  # a folder made or not made harms nobody
        if isinstance(disk, Refused):
            return disk
        try:
            at = (await self._calls.place()).of(disk)
            policy = await self._policy(spec)
            if isinstance(policy, Refused):
                return await self._copier.existing_or(disk, size, policy)
            if (why := await self._no_room(at, size, disk_format)) is not None:
                return await self._copier.existing_or(disk, size, Refused(why))
            await self._calls.create_disk(disk, size, disk_format, policy)
        except CallError as error:
            return await self._copier.existing(disk, size) if is_kind(error, Kind.EXISTS) else failure(error)
        return Created(disk)

    async def _disk(self, key: VolumeKey, spec: Spec) -> DiskId | Refused:
        """The one that is there, or that is to be made. Makes the folders: without them no search is possible."""
        place = await self._calls.place()
        at = self._chosen(place, spec)
        if isinstance(at, Refused):
            return at
        await self._calls.make_folder(at or place.each[0])
        if at is not None or not place.others:
            return (at or place).disk(key)  # if it is there, making it is refused
        found = [disk for each in place.each if (disk := await self._found(each, key)) is not None]
        if len(found) > 1:
            return Refused(
                f"there are {' and '.join(found)}: which one is meant?",
                cure="give all but one another name with the datastore browser, or say the datastore",
            )
        return found[0] if found else place.disk(key)

    async def _found(self, at: Place, key: VolumeKey) -> DiskId | None:
        await self._calls.make_folder(at)
        disk = at.disk(key)
        return disk if await self._copier.has(at, disk) else None

    def _chosen(self, place: Place, spec: Spec) -> Place | Refused | None:
        """The datastore that the options say; None: they say none."""
        said = dict(spec.for_driver).get(DATASTORE)
        if said is None:
            return None
        stores = dict(zip(self._settings.stores, place.each, strict=True))
        if (found := stores.get(said)) is not None:
            return found
        return Refused(
            f"the datastore {said} is not among those of the settings ({', '.join(stores)})",
            cure=f"take one of them, or put {said} into datastores of the settings",
        )

    async def _policy(self, spec: Spec) -> str | Refused | None:
        """Its ID. Raises CallError where it is not known whether there is one."""
        if (name := policy_of(spec, self._settings)) is None:
            return None
        try:
            return await self._calls.policy(name)
        except Fault as fault:
            if fault.kind not in {Kind.NOT_FOUND, Kind.INVALID}:
                raise
            where = "storage-policy in driver_opts" if dict(spec.for_driver).get(STORAGE_POLICY) else "the settings"
            return Refused(str(fault), cure=f"correct {where}, or make such a policy in vCenter")

    def _format(self, spec: Spec) -> DiskFormat:
        said = dict(spec.for_driver).get(DISKFORMAT)
        return self._settings.disk_format if said is None else DISK_FORMATS[said]

    async def _no_room(self, at: Place, size: int, disk_format: DiskFormat) -> str | None:
        """Asked first of thick disks: vCenter may write zeros for minutes before it finds the datastore full."""
        if disk_format == "thin":
            return None
        free = await self._calls.free_kib(at)
        if free is None or free >= size:
            return None
        return f"{at.name} has {free} KiB left, and a {disk_format} disk needs {size}: make room"

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        """On the source's datastore, if the options say no other one."""
        try:
            place = await self._calls.place()
            policy = await self._policy(spec)  # given when it is attached
        except CallError as error:
            return not_begun(error)
        at = self._chosen(place, spec)
        if isinstance(at, Refused):
            return at
        if isinstance(policy, Refused):
            return policy
        return await self._copier.clone(at or place.of(source), key, -(-spec.size_bytes // KIB), source)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        """Of all datastores; those on several are told once. Raises `CallError`."""
        found = set[VolumeKey]()
        for each in (await self._calls.place()).each:
            await self._calls.make_folder(each)
            found.update(keys_of(await self._calls.files(each, f"{beginning}*.vmdk"), beginning))
        return sorted(found)

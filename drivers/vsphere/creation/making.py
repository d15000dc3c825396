"""
Where and how a volume's disk is made: what its options say, else the settings.

A key is of one disk. So who says no datastore gets the one that was made under its key before, on whichever datastore
it is, also after the settings name another one first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from controller.model import DiskId, DriverOption, Spec, VolumeKey
from drivers.base import Created, CreateOutcome, Refused
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure, not_begun
from drivers.vsphere.async_session import Calls
from drivers.vsphere.creation.copying import Copier
from drivers.vsphere.creation.placing import choose
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
    """``hosts``: those of the swarm's VMs, each with the name of a VM on it. It may raise `CallError`."""

    def __init__(
        self, calls: Calls, settings: Settings, copier: Copier, hosts: Callable[[], Awaitable[Mapping[str, str]]]
    ) -> None:
        self._hosts = hosts
        self._tried: dict[VolumeKey, str] = {}  # of this process: which member of a datastore cluster was chosen
        self._calls = calls
        self._settings = settings
        self._copier = copier

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        size, disk_format = -(-spec.size_bytes // KIB), self._format(spec)
        try:
            at = await self._where(key, spec, 0 if disk_format == "thin" else size)
        except CallError as error:
            return not_begun(error)  # a folder made or not made harms nobody
        if isinstance(at, Refused):
            return at
        disk = at.disk(key)
        try:
            policy = await self._policy(spec)
            if isinstance(policy, Refused):
                return await self._copier.existing_or(disk, size, policy)
            if (why := await self._no_room(at, size, disk_format)) is not None:
                return await self._copier.existing_or(disk, size, Refused(why))
            await self._calls.create_disk(disk, size, disk_format, policy)
        except CallError as error:
            return await self._copier.existing(disk, size) if is_kind(error, Kind.EXISTS) else failure(error)
        self._tried.pop(key, None)
        return Created(disk)

    async def _where(self, key: VolumeKey, spec: Spec, need_kib: int) -> Place | Refused:
        """The datastore where the disk is, or is to be made. Makes the folders: without them no search is possible."""
        place = await self._calls.place()
        members, said = self._meant(place, spec), DATASTORE in dict(spec.for_driver)
        if isinstance(members, Refused):
            return members
        area = members if said else place.each
        if len(area) == 1:
            await self._calls.make_folder(area[0])
            return area[0]  # if the disk is there, making it is refused
        found = [disk for each in area if (disk := await self._found(each, key)) is not None]
        if len(found) > 1:
            return Refused(
                f"there are {' and '.join(found)}: which one is meant?",
                cure="give all but one another name with the datastore browser, or say the datastore",
            )
        return place.of(found[0]) if found else await self._choice(key, members, need_kib)

    async def _choice(self, key: VolumeKey, members: Sequence[Place], need_kib: int) -> Place | Refused:
        """Of a datastore cluster, the same again where a call under this key was in doubt."""
        if len(members) == 1:
            return members[0]
        told, hosts = await self._calls.members(members), await self._hosts()
        chosen = choose(told, hosts, need_kib * KIB, self._tried.get(key, ""))
        if isinstance(chosen, str):
            return Refused(
                f"no datastore of {members[0].pod} will do: {chosen}",
                cure="mount them on all hosts where the swarm's VMs may run, or make room",
            )
        self._tried[key] = chosen.name
        return next(each for each in members if each.name == chosen.name)

    async def _found(self, at: Place, key: VolumeKey) -> DiskId | None:
        await self._calls.make_folder(at)
        disk = at.disk(key)
        return disk if await self._copier.has(at, disk) else None

    def _meant(self, place: Place, spec: Spec) -> tuple[Place, ...] | Refused:
        """The datastore that the options say, else that of the settings; or the members of a datastore cluster."""
        stores = tuple(self._settings.stores)
        said = dict(spec.for_driver).get(DATASTORE, stores[0])
        return place.meant(said) or Refused(
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
        size = -(-spec.size_bytes // KIB)
        try:
            beside = (await self._calls.place()).of(source)
            policy = await self._policy(spec)  # given when it is attached
            at = await self._where(key, spec, size) if DATASTORE in dict(spec.for_driver) else beside
        except CallError as error:
            return not_begun(error)
        if isinstance(at, Refused):
            return at
        if isinstance(policy, Refused):
            return policy
        return await self._copier.clone(at, key, size, source)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        """Of all datastores; those on several are told once. Raises `CallError`."""
        found = set[VolumeKey]()
        for each in (await self._calls.place()).each:
            await self._calls.make_folder(each)
            found.update(keys_of(await self._calls.files(each, f"{beginning}*.vmdk"), beginning))
        return sorted(found)

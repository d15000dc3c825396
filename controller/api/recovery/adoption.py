"""`reberth adopt NAME --disk KEY`: a disk with its data becomes a volume again, and nothing on it is changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

from controller.api.recovery.places import held
from controller.api.routes import Route, route
from controller.model import (
    DiskId,
    HistoryEntry,
    Moment,
    Phase,
    Policy,
    Serial,
    Source,
    Spec,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import Adopt, Told
from controller.reconciler.state import LoopState
from controller.records.base import Records, RecordsUnavailable, Stale
from controller.volumes.naming import BadName, disk_key, label_of, volume_key, volume_name
from controller.volumes.options import BadOptions, parse_options
from drivers.base import Created, DriverError, StorageDriver

LOOK_SECONDS = 6.0


class AdoptionRequests:
    """``no_storage``: why there is no driver, where it is None."""

    def __init__(
        self,
        state: LoopState,
        records: Records,
        driver: StorageDriver | None,
        policy: Policy,
        no_storage: str | None = None,
        deadline: float = 10.0,
    ) -> None:
        self._state = state
        self._records = records
        self._driver = driver
        self._policy = policy
        self._no_storage = no_storage or "no storage is configured"
        self._deadline = deadline

    def routes(self) -> Iterable[Route]:
        yield route(operator.ADOPT, lambda _, asked: self.adopt(asked))

    async def adopt(self, asked: Adopt) -> Told | Rejection:
        name = volume_name(asked.volume)
        if isinstance(name, BadName):
            return Rejection(Status.BAD, name.why)
        if self._driver is None:
            return Rejection(Status.BAD, self._no_storage)
        try:
            async with asyncio.timeout(2 * self._deadline + LOOK_SECONDS):
                return await self._adopt(self._driver, name, asked)
        except (RecordsUnavailable, DriverError) as error:
            return unavailable(error)
        except TimeoutError:
            return unavailable("the storage does not answer")

    async def _adopt(self, driver: StorageDriver, name: VolumeName, asked: Adopt) -> Told | Rejection:
        self._state.wakeup(f"disk {asked.disk} is to become volume {name}")
        look = await self._state.fresh_look(LOOK_SECONDS)
        if look is None or None in (look.world.attachments, look.world.volumes, look.world.nodes):
            return unavailable("the swarm, the records and the storage must be read first; see `reberth status`")
        world, key = look.world, VolumeKey(asked.disk)
        spec = _spec(asked, (world.volumes or {}).get(name))
        if isinstance(spec, BadOptions):
            return Rejection(Status.BAD, spec.why)
        why = _not_ours(key) or _not_free(world, name, key) or await self._not_there(driver, name, key)
        if why is not None:
            return Rejection(Status.CONFLICT, why)
        return await self._take(driver, world, name, spec, asked)

    async def _take(
        self, driver: StorageDriver, world: World, name: VolumeName, spec: Spec, asked: Adopt
    ) -> Told | Rejection:
        found = await driver.create(VolumeKey(asked.disk), spec)  # it is there, so it is found, if it has this size
        if not isinstance(found, Created):
            return Rejection(Status.CONFLICT, f"{found.why}. Say the disk's size with --size")
        why = held(world, self._policy, found.disk) or _in_record(world, name, found.disk)
        if why is not None:
            return Rejection(Status.CONFLICT, why)
        return await self._write((world.volumes or {}).get(name), _record(world, name, spec, found.disk, asked))

    async def _not_there(self, driver: StorageDriver, name: VolumeName, key: VolumeKey) -> str | None:
        if key in await driver.keys(key):
            return None
        return f"the storage has no disk with the key {key}; it has: {await self._known(driver, name)}"

    async def _known(self, driver: StorageDriver, name: VolumeName) -> str:
        return ", ".join(await driver.keys(f"{volume_key(name)}-")) or "none of a volume of this name"

    async def _write(self, before: VolumeRecord | None, record: VolumeRecord) -> Told | Rejection:
        if before is not None:
            await self._records.delete_volume(before)  # without a disk of its own, or the same adoption said otherwise
            self._state.deleted(record.name)
        written = await self._records.create_volume(record)
        if isinstance(written, Stale):
            return unavailable(f"volume {record.name} was made anew in the same moment")
        self._state.wrote(written)
        self._state.wakeup(f"volume {record.name} was adopted")
        return Told(
            f"volume {record.name} has disk {record.disk} now, as it is. The first mount checks that the disk's label "
            "and file system are those of that disk; nothing is formatted."
        )


def _not_ours(key: VolumeKey) -> str | None:
    if label_of(key) is not None:
        return None
    return f"{key} is not the key of a disk that Reberth made: such a key ends with 8 hexadecimal digits"


def _not_free(world: World, name: VolumeName, key: VolumeKey) -> str | None:
    """Why the name or the disk is not free."""
    if world.unreadable:
        bad = ", ".join(sorted(world.unreadable))
        return f"the records of {bad} cannot be read, and the disk may be one of theirs: mend them first"
    for record in (world.volumes or {}).values():
        if disk_key(record.key, record.fs_uuid) == key:
            return f"disk {key} is that of volume {record.name}"
    record_there = (world.volumes or {}).get(name)
    return None if record_there is None else _taken(record_there)


def _taken(record: VolumeRecord) -> str | None:
    """A record that Docker made for a name whose disk was refused has none; an adoption may be said anew."""
    if record.phase is Phase.DELETING:
        return f"volume {record.name} is being removed; `reberth undelete {record.name}` takes that back"
    if record.grants or record.intent is not None:
        return f"volume {record.name} is in use, or is being made: `reberth explain {record.name}`; try again"
    if record.disk is not None and not record.adopted:
        return f"volume {record.name} has its own disk {record.disk}: take another name, or remove it first"
    return None


def _in_record(world: World, name: VolumeName, disk: DiskId) -> str | None:
    for record in (world.volumes or {}).values():
        if record.disk == disk and record.name != name:
            return f"disk {disk} is that of volume {record.name}"
        if disk in record.disks - {record.disk}:
            return f"disk {disk} is a snapshot of volume {record.name}: make a copy of it (clone-from, clone-snapshot)"
        if record.name == name and record.disk not in {None, disk}:
            return f"volume {name} has disk {record.disk}: take another name, or remove it first"
    return None


def _spec(asked: Adopt, before: VolumeRecord | None) -> Spec | BadOptions:
    old = None if before is None else before.spec
    size = asked.size or ("" if old is None else str(old.size_bytes))
    if not size:
        return BadOptions("say how large the disk is, as it was asked for when it was made: --size 10GiB")
    said = parse_options({"size": size, "fstype": asked.fstype or ("ext4" if old is None else old.fstype)})
    if isinstance(said, BadOptions) or old is None:
        return said
    return replace(old, size_bytes=said.size_bytes, fstype=said.fstype)  # what else its service asked for stays


def _record(world: World, name: VolumeName, spec: Spec, disk: DiskId, asked: Adopt) -> VolumeRecord:
    now = time.time()
    text = f"disk {disk} was taken over as it is, said {asked.by or 'a person'}"
    return VolumeRecord(
        name=name,
        key=volume_key(name),
        spec=replace(spec, source=Source(name, disk, fs_uuid="", label="")),
        fs_uuid=label_of(VolumeKey(asked.disk)) or "",
        phase=Phase.READY,
        disk=disk,
        formatted=True,
        serial=Serial(int(now)),
        history=(HistoryEntry(Moment.CREATED, now, world.epoch, text),),
    )

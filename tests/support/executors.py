"""An executor and a writer on a storage and records of their own, for tests of single actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.model import DiskId, Epoch, PausedPart, Power, Spec, VmId, VolumeName, VolumeRecord, World
from controller.planner.actions import Action
from controller.reconciler.executor import Executor
from controller.reconciler.record_writer import RecordWriter, Result
from controller.reconciler.state import LoopState
from controller.reconciler.storage_actions import Deadlines, StorageActions
from controller.records.base import PartsChange
from controller.records.memory import MemoryRecords
from drivers.base import Outcome, Refused
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.support.worlds import DISK, EPOCH, V, vm


class Leading:
    """We act under the world's epoch, until a test says that we do not."""

    def __init__(self, epoch: Epoch | None = EPOCH) -> None:
        self._epoch = epoch
        self.paused: str | None = None
        self.paused_parts: tuple[PausedPart, ...] = ()
        self.acting_address: str | None = None
        self.acting = True
        self.taken = 0

    @property
    def epoch(self) -> Epoch | None:
        return self._epoch if self.acting else None

    @epoch.setter
    def epoch(self, epoch: Epoch | None) -> None:
        self._epoch = epoch

    async def still_acting(self, epoch: Epoch) -> bool:
        return self.acting and epoch == self.epoch

    async def new_epoch(self, above: Epoch | None = None) -> bool:
        self.taken += self.acting
        return self.acting

    async def pause(self, reason: str | None) -> bool:
        self.paused = reason
        return self.acting

    async def pause_parts(self, change: PartsChange) -> bool:
        self.paused_parts = change(self.paused_parts)
        return self.acting


class TiredDriver(MemoryDriver):
    """Refuses to attach, and asks to be left alone for a while."""

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return [Refused("the host is full", retry_after=7.0) for _ in disks]


class BoundDriver(MemoryDriver):
    """Its settings do not name this VM."""

    async def power_off(self, vm: VmId) -> Power | Refused:
        return Refused(f"VM {vm} is not in the settings", cure="Name it there.")


class AskingDriver(MemoryDriver):
    """It wants to know what volumes say when their disks are attached."""

    def __init__(self, storage: MemoryStorage) -> None:
        super().__init__(storage)
        self.told: list[Mapping[DiskId, Spec]] = []

    async def attach_volumes(self, volumes: Mapping[DiskId, Spec], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        self.told.append(volumes)
        return await self.attach([*volumes], vm, epoch)


class Desk:
    """One volume, or several whose disks are made; ``now`` is the wall clock."""

    def __init__(self, volume: VolumeRecord, *attached: int, others: tuple[VolumeRecord, ...] = ()) -> None:
        self.now = 1000.0
        self.storage = MemoryStorage()
        for number in (1, 2):
            self.storage.add_vm(vm(number))
        self.records, self.state = MemoryRecords(), LoopState(lambda: 0.0, lambda: self.now)
        for each in (volume, *others):
            if each.disk is not None:
                self.storage.create(each.disk, each.spec.size_bytes)
            self.records.store.volumes[each.name] = each
        for number in attached:
            self.storage.attach(DISK, vm(number), EPOCH)
        self.writer, self.lead = RecordWriter(self.state, self.records), Leading()
        self.use(MemoryDriver(self.storage))

    def use(self, driver: MemoryDriver) -> None:
        self.executor = Executor(self.writer, StorageActions(self.writer, driver, driver, self.lead, Deadlines(5.0)))

    async def do(self, w: World, action: Action) -> Result:
        return (await self.all(w, action))[V]

    async def all(self, w: World, *actions: Action) -> Mapping[VolumeName, Result]:
        return await self.executor.run(w, actions)

    @property
    def kept(self) -> VolumeRecord:
        return self.records.store.volumes[V]

"""An executor and a scribe on a storage and records of their own, for tests of single actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.actions import Action
from controller.board import Board
from controller.execute import Executor
from controller.memory_records import MemoryRecords
from controller.model import DiskId, Epoch, VmId, VolumeName, VolumeRecord, World
from controller.scribe import Result, Scribe
from drivers.base import Outcome, Refused
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.unit.worlds import DISK, EPOCH, V, vm


class Leading:
    """We act under the world's epoch, until a test says that we do not."""

    epoch: Epoch | None = EPOCH

    def __init__(self) -> None:
        self.acting = True
        self.taken = 0

    async def still_acting(self, epoch: Epoch) -> bool:
        return self.acting and epoch == EPOCH

    async def new_epoch(self) -> bool:
        self.taken += self.acting
        return self.acting


class TiredDriver(MemoryDriver):
    """Refuses to attach, and asks to be left alone for a while."""

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return [Refused("the host is full", retry_after=7.0) for _ in disks]


class Desk:
    """One volume, or several whose disks are made; ``now`` is the wall clock."""

    def __init__(self, volume: VolumeRecord, *attached: int, others: tuple[VolumeRecord, ...] = ()) -> None:
        self.now = 1000.0
        self.storage = MemoryStorage()
        for number in (1, 2):
            self.storage.add_vm(vm(number))
        self.records, self.board = MemoryRecords(), Board(lambda: 0.0)
        for each in (volume, *others):
            if each.disk is not None:
                self.storage.create(each.disk, each.spec.size_bytes)
            self.records.store.volumes[each.name] = each
        for number in attached:
            self.storage.attach(DISK, vm(number), EPOCH)
        self.scribe, self.lead = Scribe(self.board, self.records, lambda: self.now), Leading()
        self.use(MemoryDriver(self.storage))

    def use(self, driver: MemoryDriver) -> None:
        self.executor = Executor(self.scribe, driver, self.lead, 5.0)

    async def do(self, w: World, action: Action) -> Result:
        return (await self.all(w, action))[V]

    async def all(self, w: World, *actions: Action) -> Mapping[VolumeName, Result]:
        return await self.executor.run(w, actions)

    @property
    def kept(self) -> VolumeRecord:
        return self.records.store.volumes[V]

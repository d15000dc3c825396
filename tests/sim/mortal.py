"""Records and a storage whose caller may die before or after each call, and the laws that the storage judges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TypeVar

from controller.model import DiskId, Epoch, Phase, Power, VmId, VolumeRecord
from controller.records.base import Leadership, Stale, VolumeRecords
from controller.records.memory import MemoryStore
from drivers.base import DriverError, Outcome, Refused
from drivers.guests import GuestAddresses
from drivers.memory import MemoryDriver
from drivers.memory_storage import Call, MemoryStorage
from tests.support.fake_swarm import FragileRecords

T = TypeVar("T")
STRANGE = VmId("vm-of-somebody")  # the hypervisor has it; it is no machine of the swarm


class Life:
    """A controller's process: it ends before or after one of its calls, and then nothing of it goes on."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._left: int | None = None
        self._after = False

    def end_at(self, call: int, *, after: bool) -> None:
        self._left, self._after = call, after

    def spare(self) -> None:
        """A death that has not come yet does not come."""
        self._left = None

    async def around(self, call: Coroutine[None, None, T]) -> T:
        last = self._left == 0
        if self._left is not None:
            self._left -= 1
        if self.over.is_set() or (last and not self._after):
            call.close()
            await self._rest()
        answer = await call
        if last or self.over.is_set():
            await self._rest()
        return answer

    async def _rest(self) -> None:
        self.over.set()
        await asyncio.Event().wait()


class MortalRecords(FragileRecords):
    life: Life

    async def volumes(self) -> VolumeRecords:
        return await self.life.around(super().volumes())

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        return await self.life.around(super().replace_volume(record))

    async def delete_volume(self, record: VolumeRecord) -> None:
        await self.life.around(super().delete_volume(record))

    async def leadership(self) -> Leadership | None:
        return await self.life.around(super().leadership())

    async def replace_leadership(self, leadership: Leadership) -> Leadership | Stale:
        return await self.life.around(super().replace_leadership(leadership))


class MortalDriver(MemoryDriver):
    life: Life

    async def _read(self, call: Call) -> None:
        await self.life.around(super()._read(call))

    async def _ask(self, call: Call, steps: Sequence[Callable[[], Outcome]]) -> Sequence[Outcome]:
        return await self.life.around(super()._ask(call, steps))

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        assert isinstance(self.storage, JudgedStorage)
        try:
            return await super().addresses(vms)
        except DriverError:
            self.storage.unheard = True
            raise


class JudgedStorage(MemoryStorage):
    """
    Where the truth is: here a second writer, a disk on two VMs, or a lost disk cannot go unseen.

    What a late call breaks has no caller any more whom an error would reach: so it is noted, too.
    """

    records: MemoryStore

    def __init__(self) -> None:
        super().__init__()
        self.add_vm(STRANGE).addresses = GuestAddresses(("10.0.7.7",), whole=True)
        self.broken: list[str] = []
        self.unheard = False  # somebody was not told of addresses: then a node may be believed to be any VM

    def _law(self, kept: bool, why: str) -> None:
        if not kept:
            self.broken.append(why)
        assert kept, why

    def write(self, vm: VmId, disk: DiskId) -> None:
        super().write(vm, disk)
        self._law(self.writers(disk) == (vm,), f"two write to {disk}: {self.writers(disk)}")

    def attach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        outcome = super().attach(disk, vm, epoch)
        self._law(len(self.attached[disk]) <= 1, f"{disk} is on {self.attached[disk]}")
        self._law(self.unheard or STRANGE not in self.attached[disk], f"{disk} was given to somebody else's VM")
        return outcome

    def switch(self, vm: VmId, power: Power) -> None:
        self._law(self.unheard or vm != STRANGE, "somebody else's VM was switched")
        super().switch(vm, power)

    def detach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        writes, why = disk in self.vms[vm].writing, f"VM {vm} was to lose {disk} (epoch {epoch}), but it writes"
        # A late call of an older epoch is refused, and so is one for a moved disk: they may say what they like.
        if self._cannot(vm, epoch) is None and self._odd(disk) is None:
            self._law(not writes, why)
        outcome = super().detach(disk, vm, epoch)
        assert not writes or isinstance(outcome, Refused), why
        return outcome

    def delete(self, disk: DiskId) -> Outcome:
        for record in self.records.volumes.values():
            doomed = record.phase is Phase.DELETING and not record.grants
            self._law(record.disk != disk or doomed, f"{disk} of {record.name} is deleted, but nobody removed it")
        return super().delete(disk)

"""
A real driver on a dict, with faults: the first to pass the conformance suite.

`MemoryStorage` is the storage system and hypervisor in one; any number of `MemoryDriver`s are its clients, as several
controllers are. Every promise of `Capabilities` can be switched, so that a test can take a guard away and see
what breaks. Nothing survives the process: for tests and for trying the controller only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import msgspec

from controller.model import (
    Attachment,
    AttachmentState,
    BootId,
    Capabilities,
    DiskId,
    Epoch,
    Operation,
    Power,
    Spec,
    VmId,
    VolumeKey,
)
from drivers.base import (
    Created,
    CreateOutcome,
    DeviceHint,
    Done,
    DriverError,
    InDoubt,
    Listing,
    Outcome,
    PowerEvent,
    Refused,
    Room,
    Unreachable,
)
from drivers.guests import GuestAddresses
from drivers.memory_storage import CAPABILITIES, COPYING_PAUSE, Call, Fault, MemoryStorage, Reading
from drivers.owners import Owners

_PREFIX = "memory-"


class MemoryDriver:
    """One client of a `MemoryStorage`."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage

    @property
    def capabilities(self) -> Capabilities:
        return self.storage.capabilities

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        disk = DiskId(f"{_PREFIX}{key}")
        call = Call(Operation.CREATE, (disk,))
        outcome = (await self._ask(call, [partial(self.storage.create, disk, spec.size_bytes)]))[0]
        return Created(disk) if isinstance(outcome, Done) else outcome

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        disk = DiskId(f"{_PREFIX}{key}")
        fault = await self._start(Call(Operation.CREATE, (disk, source)))
        if fault in {Fault.REFUSED, Fault.UNREACHABLE, Fault.LOST_BEFORE}:
            return _answer(fault, Operation.CREATE)
        begun = self.storage.begin_copy(disk, spec.size_bytes, source)
        if not isinstance(begun, Done):
            return begun
        if disk not in self.storage.disks:
            await self._copy(disk, source)
        return Created(disk) if fault is None else InDoubt(f"no answer to this {Operation.CREATE.value}")

    async def snapshot(self, key: VolumeKey, spec: Spec, source: DiskId, *, at_rest: bool = True) -> CreateOutcome:
        """A VM that is switched off, or has its disk taken away, while it copies ends the copy."""
        disk, holders = DiskId(f"{_PREFIX}{key}"), set(self.storage.attached.get(source, ()))
        if not holders:
            held = Refused(f"disk {source} is attached to no VM", COPYING_PAUSE)
            return await self.clone(key, spec, source) if at_rest else held
        fault = await self._start(Call(Operation.CREATE, (disk, source)))
        if fault in {Fault.REFUSED, Fault.UNREACHABLE, Fault.LOST_BEFORE}:
            return _answer(fault, Operation.CREATE)
        begun = self.storage.begin_snapshot(disk, spec.size_bytes, source)
        if not isinstance(begun, bytes):
            return Created(disk) if isinstance(begun, Done) else begun
        await asyncio.sleep(self.storage.copy_seconds)
        if self.storage.attached.get(source) != holders or any(self._power(vm) is not Power.ON for vm in holders):
            return Refused(f"disk {source} was detached, or its VM ended, while it was copied", COPYING_PAUSE)
        self.storage.end_snapshot(disk, spec.size_bytes, begun)
        return Created(disk) if fault is None else InDoubt(f"no answer to this {Operation.CREATE.value}")

    async def _copy(self, disk: DiskId, source: DiskId) -> None:
        whole = False
        try:
            await asyncio.sleep(self.storage.copy_seconds)
            whole = True
        finally:
            self.storage.end_copy(disk, source, whole=whole)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        await self._read(Call(Reading.KEYS))
        found = sorted(disk.removeprefix(_PREFIX) for disk in self.storage.disks)
        return [VolumeKey(key) for key in found if key.startswith(beginning)]

    async def grow(self, disk: DiskId, size_bytes: int) -> Outcome:
        call = Call(Reading.GROW, (disk,))
        return (await self._ask(call, [partial(self.storage.grow, disk, size_bytes)]))[0]

    async def delete(self, disk: DiskId) -> Outcome:
        return (await self._ask(Call(Operation.DELETE, (disk,)), [partial(self.storage.delete, disk)]))[0]

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        call = Call(Operation.ATTACH, tuple(disks), vm, epoch)
        return await self._ask(call, [partial(self.storage.attach, disk, vm, epoch) for disk in disks])

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        call = Call(Operation.DETACH, tuple(disks), vm, epoch)
        return await self._ask(call, [partial(self.storage.detach, disk, vm, epoch) for disk in disks])

    async def list_attachments(self) -> Listing:
        await self._read(Call(Reading.ATTACHMENTS))
        hidden = self.storage.hidden
        return Listing(
            tuple(
                Attachment(disk, vm, self._state(disk, vm), self._stamp(vm))
                for disk, vms in sorted(self.storage.attached.items())
                for vm in sorted(vms - hidden)
            ),
            seen=frozenset(self.storage.vms) - hidden,
            unread=tuple(f"the VM {vm} cannot be read" for vm in sorted(hidden)),
            odd=dict(self.storage.odd),
        )

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        await self._read(Call(Reading.DEVICE, (disk,), vm))
        return DeviceHint((f"reberth-{disk}",))

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        await self._read(Call(Reading.POWER))
        return {vm: self._power(vm) for vm in vms}

    async def power_off(self, vm: VmId) -> Power | Refused:
        def switch() -> Outcome:
            known = self.storage.vms.get(vm)
            if known is None or not known.connected:
                return Unreachable(f"VM {vm} is not to be found on a connected host")
            self.storage.switch(vm, Power.OFF)
            return Done()

        outcomes = await self._ask(Call(Operation.POWER_OFF, vm=vm), [switch])
        return self._power(vm) if isinstance(outcomes[0], Done) else Power.UNKNOWN

    async def boots(self, vms: Sequence[VmId]) -> Mapping[VmId, BootId]:
        return {vm: self.storage.boots[vm] for vm in vms if vm in self.storage.boots and self._power(vm) is Power.ON}

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        await self._read(Call(Reading.ADDRESSES))
        known = {vm: self.storage.vms[vm].addresses for vm in vms if self._power(vm) is Power.ON}
        return {vm: found for vm, found in known.items() if found is not None}

    async def rooms(self) -> Sequence[Room]:
        await self._read(Call(Reading.ROOM))
        return tuple(self.storage.rooms)

    async def owners(self) -> Owners:
        await self._read(Call(Reading.OWNERS))
        return Owners({"the storage in memory": frozenset(self.storage.owners)})

    async def mark(self, swarm: str) -> Outcome:
        return await self._noted(partial(self.storage.owners.add, swarm))

    async def unmark(self, swarm: str) -> Outcome:
        return await self._noted(partial(self.storage.owners.discard, swarm))

    async def _noted(self, note: Callable[[], None]) -> Outcome:
        def done() -> Outcome:
            note()
            return Done()

        return (await self._ask(Call(Reading.OWNERS), [done]))[0]

    async def watch_power(self) -> AsyncIterator[PowerEvent]:
        queue = self.storage.watch()
        try:
            while True:
                yield await queue.get()
        finally:
            self.storage.unwatch(queue)

    async def close(self) -> None:
        """Nothing is open."""

    def _power(self, vm: VmId) -> Power:
        known = self.storage.vms.get(vm)
        return known.power if known is not None and known.connected else Power.UNKNOWN

    def _stamp(self, vm: VmId) -> Epoch | None:
        return self.storage.vms[vm].stamp if self.capabilities.epoch_guard else None

    def _state(self, disk: DiskId, vm: VmId) -> AttachmentState:
        unsure = (disk, vm) in self.storage.uncertain or disk in self.storage.odd
        return AttachmentState.UNCERTAIN if unsure else AttachmentState.ATTACHED

    async def _read(self, call: Call) -> None:
        fault = await self._start(call)
        if fault is not None:
            raise DriverError(f"the storage in memory does not answer ({fault.value})")

    async def _start(self, call: Call) -> Fault | None:
        self.storage.calls.append(call)
        fault = self.storage.next_fault(call.operation)
        await asyncio.sleep(self.storage.seconds)
        return fault

    async def _ask(self, call: Call, steps: Sequence[Callable[[], Outcome]]) -> Sequence[Outcome]:
        fault = await self._start(call)
        if fault is None:
            return [step() for step in steps]
        if fault in {Fault.LOST_AFTER, Fault.TWICE, Fault.BROKEN}:
            for step in steps:
                step()
        if fault in {Fault.LATE, Fault.TWICE, Fault.BROKEN}:
            for step in steps:
                asyncio.get_running_loop().call_later(self.storage.late, step)
        return [_answer(fault, call.operation) for _ in steps]


def _answer(fault: Fault, operation: Operation | Reading) -> Refused | Unreachable | InDoubt:
    if fault is Fault.REFUSED:
        return Refused(f"the storage in memory was told to refuse this {operation.value}")
    if fault is Fault.BROKEN:
        msg = f"the driver in memory was told to meet a bug in this {operation.value}"
        raise RuntimeError(msg)
    if fault is Fault.UNREACHABLE:
        return Unreachable(f"the storage in memory was told to be unreachable for this {operation.value}")
    return InDoubt(f"no answer to this {operation.value}")


class MemorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    vms: list[str] = []
    detach_cuts_io: bool = CAPABILITIES.detach_cuts_io
    max_disks_per_vm: int = CAPABILITIES.max_disks_per_vm


def create(settings: Mapping[str, object]) -> MemoryDriver:
    """Entry point `reberth.drivers`: a storage of its own, with the VMs named in ``vms``, all switched on."""
    given = msgspec.convert(settings, MemorySettings)
    storage = MemoryStorage(
        replace(CAPABILITIES, detach_cuts_io=given.detach_cuts_io, max_disks_per_vm=given.max_disks_per_vm)
    )
    for vm in given.vms:
        storage.add_vm(VmId(vm))
    return MemoryDriver(storage)

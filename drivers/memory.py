"""
A real driver on a dict, with faults: the first to pass the conformance suite.

`MemoryStorage` is the storage system and hypervisor in one; any number of `MemoryDriver`s are its clients, as several
controllers are. Every promise of `Capabilities` can be switched, so that a test can take a guard away and see
what breaks. Nothing survives the process: for tests and for trying the controller only.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial

import msgspec

from controller.model import (
    Attachment,
    AttachmentState,
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
    Outcome,
    PowerEvent,
    Refused,
    Unreachable,
)

CAPABILITIES = Capabilities(
    name="memory",
    detach_cuts_io=False,
    exclusive_attach=True,
    epoch_guard=True,
    max_disks_per_vm=64,
    shared=True,
    batch=True,
    clones=True,
)


NO_STAMP = Epoch(0)
COPYING_PAUSE = 1.0  # seconds after which whoever needs a disk that is being copied looks again
_PREFIX = "memory-"


class Fault(Enum):
    """What happens to one call instead of what was asked."""

    LOST_BEFORE = "lost-before"  # never arrives; the caller only sees that no answer came
    LOST_AFTER = "lost-after"  # done, but the answer is lost
    LATE = "late"  # no answer now; it happens `MemoryStorage.late` seconds later, if it still may
    TWICE = "twice"  # done, the answer is lost, and `MemoryStorage.late` seconds later it comes once more
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class Reading(Enum):
    """The reading calls, as the keys of faults; `Operation` names the others."""

    ATTACHMENTS = "attachments"
    POWER = "power"
    DEVICE = "device"
    KEYS = "keys"


@dataclass(slots=True)
class MemoryVm:
    power: Power = Power.ON
    connected: bool = True  # its host answers the hypervisor's manager
    stamp: Epoch = NO_STAMP
    writing: set[DiskId] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it reached the storage (or would have)."""

    operation: Operation | Reading
    disks: tuple[DiskId, ...] = ()
    vm: VmId | None = None
    epoch: Epoch | None = None


class MemoryStorage:
    """The truth. ``seconds`` is how long each call takes; ``faults`` are used up in order, one for each call."""

    def __init__(self, capabilities: Capabilities = CAPABILITIES) -> None:
        self.capabilities = capabilities
        self.vms: dict[VmId, MemoryVm] = {}
        self.disks: dict[DiskId, int] = {}
        self.contents: dict[DiskId, bytes] = {}
        self.copying: Counter[DiskId] = Counter()  # sources of copies under way
        self.attached: dict[DiskId, set[VmId]] = {}
        self.uncertain: set[tuple[DiskId, VmId]] = set()
        self.calls: list[Call] = []
        self.seconds = 0.0
        self.copy_seconds = 0.0
        self.late = 5.0
        self.away = False  # nothing answers
        self._faults: dict[Operation | Reading, deque[Fault]] = {}
        self._watchers: list[asyncio.Queue[PowerEvent]] = []

    def fail(self, operation: Operation | Reading, *faults: Fault) -> None:
        self._faults.setdefault(operation, deque()).extend(faults)

    def next_fault(self, operation: Operation | Reading) -> Fault | None:
        if self.away:
            return Fault.UNREACHABLE
        waiting = self._faults.get(operation)
        return waiting.popleft() if waiting else None

    def add_vm(self, vm: VmId) -> MemoryVm:
        self.vms[vm] = MemoryVm()
        return self.vms[vm]

    def switch(self, vm: VmId, power: Power) -> None:
        """Somebody presses the button. A VM that is off writes to nothing."""
        self.vms[vm].power = power
        if power is Power.OFF:
            self.vms[vm].writing.clear()
        for queue in self._watchers:
            queue.put_nowait(PowerEvent(vm))

    def write(self, vm: VmId, disk: DiskId) -> None:
        """The VM has the disk open from now on; an error when it could not."""
        if vm not in self.attached.get(disk, set()) or self.vms[vm].power is not Power.ON:
            raise ValueError(f"VM {vm} cannot write to disk {disk}: it does not have it, or is off")
        self.vms[vm].writing.add(disk)

    def writers(self, disk: DiskId) -> tuple[VmId, ...]:
        return tuple(sorted(vm for vm, state in self.vms.items() if disk in state.writing))

    def watch(self) -> asyncio.Queue[PowerEvent]:
        queue: asyncio.Queue[PowerEvent] = asyncio.Queue()
        self._watchers.append(queue)
        return queue

    def unwatch(self, queue: asyncio.Queue[PowerEvent]) -> None:
        self._watchers.remove(queue)

    # What the storage system itself does, atomically, by its own rules:

    def create(self, disk: DiskId, size: int) -> Outcome:
        have = self.disks.setdefault(disk, size)
        if have != size:
            return Refused(f"disk {disk} exists with {have} bytes, asked for were {size}")
        return Done()

    def delete(self, disk: DiskId) -> Outcome:
        busy = self._busy(disk)
        if busy is not None:
            return busy
        self.disks.pop(disk, None)
        self.contents.pop(disk, None)
        self.attached.pop(disk, None)
        return Done()

    def begin_copy(self, disk: DiskId, size: int, source: DiskId) -> Outcome:
        """Done when the disk exists already, or the copy may go on: `end_copy` must follow then."""
        if disk in self.disks:
            return self.create(disk, size)
        if source not in self.disks:
            return Refused(f"there is no disk {source} to copy")
        busy = self._busy(source)
        if busy is not None:
            return busy
        self.copying[source] += 1
        return Done()

    def end_copy(self, disk: DiskId, source: DiskId, *, whole: bool) -> None:
        """Only a whole copy gets its name; one that somebody made meanwhile stays."""
        self.copying[source] -= 1
        if whole and disk not in self.disks:
            self.disks[disk] = self.disks[source]
            self.contents[disk] = self.contents.get(source, b"")

    def _busy(self, disk: DiskId) -> Refused | None:
        if self.copying[disk]:
            return Refused(f"disk {disk} is being copied", COPYING_PAUSE)
        if self.attached.get(disk):
            return Refused(f"disk {disk} is attached to {', '.join(sorted(self.attached[disk]))}")
        return None

    def attach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        holders = self.attached.setdefault(disk, set())
        refusal = self._cannot(vm, epoch) or self._cannot_attach(disk, vm, holders)
        if refusal is not None:
            return refusal
        holders.add(vm)
        self.vms[vm].stamp = max(self.vms[vm].stamp, epoch)
        return Done()

    def detach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        refusal = self._cannot(vm, epoch)
        if refusal is not None:
            return refusal
        state = self.vms[vm]
        if disk in state.writing and not self.capabilities.detach_cuts_io:
            return Refused(f"VM {vm} has disk {disk} open and its I/O cannot be cut")
        state.writing.discard(disk)
        state.stamp = max(state.stamp, epoch)
        self.attached.get(disk, set()).discard(vm)
        return Done()

    def _cannot(self, vm: VmId, epoch: Epoch) -> Refused | None:
        if vm not in self.vms:
            return Refused(f"there is no VM {vm}")
        if self.capabilities.epoch_guard and epoch < self.vms[vm].stamp:
            return Refused(f"VM {vm} was given to epoch {self.vms[vm].stamp}; this call is of epoch {epoch}")
        return None

    def _cannot_attach(self, disk: DiskId, vm: VmId, holders: set[VmId]) -> Refused | None:
        if disk not in self.disks:
            return Refused(f"there is no disk {disk}")
        if self.copying[disk]:
            return Refused(f"disk {disk} is being copied", COPYING_PAUSE)
        others = holders - {vm}
        if others and self.capabilities.exclusive_attach:
            return Refused(f"disk {disk} is attached to {', '.join(sorted(others))}")
        held = sum(vm in each for each in self.attached.values())
        if vm not in holders and held >= self.capabilities.max_disks_per_vm:
            return Refused(f"VM {vm} has {held} disks, which is the most it can have")
        return None


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
            answer = _answer(fault, Operation.CREATE)
            return answer if not isinstance(answer, Done) else Created(disk)
        begun = self.storage.begin_copy(disk, spec.size_bytes, source)
        if not isinstance(begun, Done):
            return begun
        if disk not in self.storage.disks:
            await self._copy(disk, source)
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

    async def delete(self, disk: DiskId) -> Outcome:
        return (await self._ask(Call(Operation.DELETE, (disk,)), [partial(self.storage.delete, disk)]))[0]

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        call = Call(Operation.ATTACH, tuple(disks), vm, epoch)
        return await self._ask(call, [partial(self.storage.attach, disk, vm, epoch) for disk in disks])

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        call = Call(Operation.DETACH, tuple(disks), vm, epoch)
        return await self._ask(call, [partial(self.storage.detach, disk, vm, epoch) for disk in disks])

    async def list_attachments(self) -> Sequence[Attachment]:
        await self._read(Call(Reading.ATTACHMENTS))
        return tuple(
            Attachment(disk, vm, self._state(disk, vm), self._stamp(vm))
            for disk, vms in sorted(self.storage.attached.items())
            for vm in sorted(vms)
        )

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        await self._read(Call(Reading.DEVICE, (disk,), vm))
        return DeviceHint((f"reberth-{disk}",))

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        await self._read(Call(Reading.POWER))
        return {vm: self._power(vm) for vm in vms}

    async def power_off(self, vm: VmId) -> Power:
        def switch() -> Outcome:
            known = self.storage.vms.get(vm)
            if known is None or not known.connected:
                return Unreachable(f"VM {vm} is not to be found on a connected host")
            self.storage.switch(vm, Power.OFF)
            return Done()

        outcomes = await self._ask(Call(Operation.POWER_OFF, vm=vm), [switch])
        return self._power(vm) if isinstance(outcomes[0], Done) else Power.UNKNOWN

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
        return AttachmentState.UNCERTAIN if (disk, vm) in self.storage.uncertain else AttachmentState.ATTACHED

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
        if fault in {Fault.LOST_AFTER, Fault.TWICE}:
            for step in steps:
                step()
        if fault in {Fault.LATE, Fault.TWICE}:
            for step in steps:
                asyncio.get_running_loop().call_later(self.storage.late, step)
        return [_answer(fault, call.operation) for _ in steps]


def _answer(fault: Fault, operation: Operation | Reading) -> Outcome:
    if fault is Fault.REFUSED:
        return Refused(f"the storage in memory was told to refuse this {operation.value}")
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

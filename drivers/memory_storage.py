"""A storage system and hypervisor in one, on dicts, with faults: what `drivers.memory` is the client of."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum

from controller.model import (
    BootId,
    Capabilities,
    DiskId,
    Epoch,
    Operation,
    Power,
    VmId,
)
from drivers.base import (
    Done,
    Outcome,
    PowerEvent,
    Refused,
    Room,
)
from drivers.guests import GuestAddresses

CAPABILITIES = Capabilities(
    name="memory",
    detach_cuts_io=False,
    exclusive_attach=True,
    epoch_guard=True,
    max_disks_per_vm=64,
    shared=True,
    batch=True,
    clones=True,
    snapshots=True,
)


NO_STAMP = Epoch(0)
COPYING_PAUSE = 1.0  # seconds after which whoever needs a disk that is being copied looks again


class Fault(Enum):
    """What happens to one call instead of what was asked."""

    LOST_BEFORE = "lost-before"  # never arrives; the caller only sees that no answer came
    LOST_AFTER = "lost-after"  # done, but the answer is lost
    LATE = "late"  # no answer now; it happens `MemoryStorage.late` seconds later, if it still may
    TWICE = "twice"  # done, the answer is lost, and `MemoryStorage.late` seconds later it comes once more
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"  # as TWICE; and the driver meets a bug of its own, instead of saying that no answer came


class Reading(Enum):
    """The reading calls, as the keys of faults; `Operation` names the others."""

    ATTACHMENTS = "attachments"
    POWER = "power"
    ADDRESSES = "addresses"
    DEVICE = "device"
    KEYS = "keys"
    ROOM = "room"
    OWNERS = "owners"
    GROW = "grow"  # changes something, but nothing that a late call could harm


@dataclass(slots=True)
class MemoryVm:
    power: Power = Power.ON
    suspended: bool = False  # it goes on with its memory when it is resumed; as good as on
    connected: bool = True  # its host answers the hypervisor's manager
    stamp: Epoch = NO_STAMP
    addresses: GuestAddresses | None = None  # as the hypervisor knows them
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
        self.boots: dict[VmId, BootId] = {}  # those that the hypervisor knows
        self.disks: dict[DiskId, int] = {}
        self.contents: dict[DiskId, bytes] = {}
        self.copying: Counter[DiskId] = Counter()  # sources of copies under way
        self.attached: dict[DiskId, set[VmId]] = {}
        self.uncertain: set[tuple[DiskId, VmId]] = set()
        self.odd: dict[DiskId, str] = {}  # what is wrong with a disk, which is uncertain then
        self.rooms: list[Room] = []  # what is told of the room for more disks; nothing is counted
        self.owners: set[str] = set()  # IDs of the swarms that noted themselves
        self.hidden: set[VmId] = set()  # their configuration cannot be read, and who knows what they have
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
        self.vms[vm].power, self.vms[vm].suspended = power, False
        if power is Power.OFF:
            self.vms[vm].writing.clear()
        for queue in self._watchers:
            queue.put_nowait(PowerEvent(vm))

    def suspend(self, vm: VmId) -> None:
        """Its memory is put away with all that it has open; `resume` lets it go on, `switch` throws it away."""
        self.vms[vm].suspended = True

    def resume(self, vm: VmId) -> None:
        self.vms[vm].suspended = False

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
            why = f"disk {disk} exists with {have} bytes, asked for were {size}"
            return Refused(why, cure="Give the volume another name, or that size.")
        return Done()

    def grow(self, disk: DiskId, size: int) -> Outcome:
        if disk not in self.disks:
            return Refused(f"there is no disk {disk}")
        self.disks[disk] = max(size, self.disks[disk])
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

    def begin_snapshot(self, disk: DiskId, size: int, source: DiskId) -> bytes | Outcome:
        """What the source has at this instant, or an outcome as `begin_copy`. Nobody is held up by it."""
        if disk in self.disks:
            return self.create(disk, size)
        if self.disks.get(source) != size:
            return Refused(f"there is no disk {source} of {size} bytes to copy")
        return self._odd(source) or self.contents.get(source, b"")

    def end_snapshot(self, disk: DiskId, size: int, contents: bytes) -> None:
        if disk not in self.disks:
            self.disks[disk], self.contents[disk] = size, contents

    def end_copy(self, disk: DiskId, source: DiskId, *, whole: bool) -> None:
        """Only a whole copy gets its name; one that somebody made meanwhile stays."""
        self.copying[source] -= 1
        if whole and disk not in self.disks:
            self.disks[disk] = self.disks[source]
            self.contents[disk] = self.contents.get(source, b"")

    def _odd(self, disk: DiskId) -> Refused | None:
        return Refused(self.odd[disk]) if disk in self.odd else None

    def _busy(self, disk: DiskId) -> Refused | None:
        if (odd := self._odd(disk)) is not None:
            return odd
        if self.copying[disk]:
            return Refused(f"disk {disk} is being copied", COPYING_PAUSE)
        if self.attached.get(disk):
            return Refused(f"disk {disk} is attached to {', '.join(sorted(self.attached[disk]))}")
        return None

    def attach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        holders = self.attached.setdefault(disk, set())
        refusal = self._cannot(vm, epoch) or self._odd(disk) or self._cannot_attach(disk, vm, holders)
        if refusal is not None:
            return refusal
        holders.add(vm)
        self.vms[vm].stamp = max(self.vms[vm].stamp, epoch)
        return Done()

    def detach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        refusal = self._cannot(vm, epoch) or self._odd(disk)
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
        if self.vms[vm].suspended:
            return Refused(f"VM {vm} is suspended, and goes on with its disks: resume it, or switch it off")
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

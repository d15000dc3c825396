"""
The contract between Reberth and what it acts on: a `StorageDriver` for the disks, a `PowerDriver` for the machines.

One object may be both: a hypervisor's driver is. Where the machines are physical, or the disks come from elsewhere,
they are two, and the evidence "powered off" is the power driver's word alone. Machines are known to both by the SMBIOS
UUID that their nodes tell (`VmId`), also where no hypervisor is near.

Every method may be called again after any outcome: the controller's loop is the only retry. A driver has no ``force``
flag, retries nothing and remembers nothing that it can read. Errors of the storage are outcomes; an exception that
leaves a driver is a bug, except `DriverError` from the reading methods: "could not be read", with a sentence that a
person understands. A bug in a changing call leaves the call in doubt, and its volume with an alarm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from controller.model import (
    Attachment,
    Capabilities,
    DiskId,
    DriverOption,
    Epoch,
    Power,
    Spec,
    VmId,
    VolumeKey,
)


class DriverError(Exception):
    """A reading method could not read: the whole answer is unknown."""


@dataclass(frozen=True, slots=True)
class Done:
    """The storage system says that it is so now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """
    For sure not done, and not in progress.

    ``retry_after``: seconds that the driver asks to be left alone (vSphere: a refused attach freezes the VM).
    ``cure``: what a person has to do, where it will be refused again until then. Of a create, a clone or an attach it
    means that waiting cannot help: who mounts is told at once, so that Swarm tries another node and shows it.
    """

    why: str
    retry_after: float | None = None
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Never sent: the storage system could not be asked at all."""

    why: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Sent, and no answer: it may have happened, may happen later, or never."""

    why: str


Outcome = Done | Refused | Unreachable | InDoubt


@dataclass(frozen=True, slots=True)
class Created:
    disk: DiskId


CreateOutcome = Created | Refused | Unreachable | InDoubt


@dataclass(frozen=True, slots=True)
class DeviceHint:
    """How the guest finds the disk: it tries these names under /dev/disk/by-id in order. At least one is given."""

    by_id: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PowerEvent:
    """Something about a VM changed. A poke to look, never a fact to act on."""

    vm: VmId | None


@dataclass(frozen=True, slots=True)
class Listing:
    """
    Who has which disk, and what could not be read.

    ``unread``: one sentence for each part that could not be read now, such as a hypervisor's host or a VM, with the
    cure. Then a disk of ours that is listed nowhere may be there, on any VM that is not in ``seen``. A disk that is
    listed is not: no driver attaches one that is attached elsewhere (capability exclusive_attach).
    ``seen``: the VMs of which all was read, so that a disk not listed on one of them is not on it.
    ``power``: of every VM, from the same answer, where the storage tells both in one; None: `power` has to be asked. A
    list and a power that are read one after the other may belong to two moments.
    ``odd``: what is wrong with a disk, with the cure: for people. Such a disk is listed as uncertain.
    """

    attachments: tuple[Attachment, ...]
    seen: frozenset[VmId] = frozenset()
    unread: tuple[str, ...] = ()
    power: Mapping[VmId, Power] | None = None
    odd: Mapping[DiskId, str] = field(default_factory=dict)


@runtime_checkable
class StorageDriver(Protocol):
    """Disks, and on which machine each of them is."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        """
        Make the volume's disk, or find the one made earlier under this key (same size). Never overwrites.

        The disk's ID must follow from the key: a volume made anew under an old name comes with another key, and a late
        delete of its old disk must not meet the new one.
        """
        ...

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        """
        Make the volume's disk as a copy of another disk, or find the one made earlier under this key, as `create` does.

        Refused while the source is attached anywhere. As long as it copies, an attach or a delete of the source is
        refused: what is Created is the source as it was at one time. A copy that is not whole is never found: by no
        later call, and not by `keys`. It may take long; a call that is given up may leave remains behind, which the
        next call under this key and `delete` of its disk remove. Refused by a driver without the capability (clones).
        """
        ...

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        """The keys of all disks of ours whose key begins so, attached or not, in order. Raises DriverError."""
        ...

    async def delete(self, disk: DiskId) -> Outcome:
        """Delete a disk; Done when it does not exist. Refused while it is attached anywhere."""
        ...

    async def list_attachments(self) -> Listing:
        """
        All attachments of all disks of ours on all VMs, in one look, and what of it could not be read.

        An empty or partial answer of the storage is never "attached nowhere". Raises DriverError when nothing was read.
        """
        ...

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        """
        Attach disks to a VM, one outcome each, in order.

        Done for a disk that is already there (its stamp is raised to ``epoch``). Refused while another VM has it
        (capability exclusive_attach) and under an epoch lower than the VM's stamp (capability epoch_guard).
        """
        ...

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        """
        Detach disks from this VM only, one outcome each, in order; Done for one that is not there.

        Works for a VM that is off. Refused under a lower epoch (epoch_guard), and where the VM still runs, uses
        the disk, and this driver cannot cut its I/O.
        """
        ...

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        """How the guest names the disk. Raises DriverError."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class PowerDriver(Protocol):
    """Whether a machine runs, and the way to end it. No word about it is ever evidence but an OFF that was read."""

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        """
        Fresh power states, of each VM that was asked for; one that is not found, whose host is not connected, or whose
        answer is late, odd or on its way from one state to another, is UNKNOWN, never OFF.

        Raises DriverError when nothing can be read.
        """
        ...

    async def power_off(self, vm: VmId) -> Power | Refused:
        """
        Switch the VM off at once and read back. UNKNOWN when it could not be read after the act. Refused: it was not
        tried, as the settings do not let this VM be touched.
        """
        ...

    def watch_power(self) -> AsyncIterator[PowerEvent]:
        """Pokes, for ever; it reconnects by itself and yields ``PowerEvent(None)`` after a gap."""
        ...

    async def close(self) -> None: ...


class HypervisorDriver(StorageDriver, PowerDriver, Protocol):
    """Both in one."""


@runtime_checkable
class Grower(Protocol):
    """What a storage driver may have beside: it can make a disk larger."""

    async def grow(self, disk: DiskId, size_bytes: int) -> Outcome:
        """
        Make the disk at least so large, attached or not, and show its size to the VM that has it.

        Done where it is that large already: so it may be repeated, and one that comes late changes nothing. No disk
        ever becomes smaller.
        """
        ...


@runtime_checkable
class Optioned(Protocol):
    """
    What a storage driver may have beside: options of a volume that only it understands.

    Their keys are of `controller.volumes.driver_options.OPTIONS`. Only values that are declared reach `create`, as
    ``Spec.for_driver``; they win over the driver's settings. A copy (`clone`) is asked for with those
    that are declared with ``copies``.
    """

    @property
    def volume_options(self) -> Sequence[DriverOption]: ...


@runtime_checkable
class Attacher(Protocol):
    """What a storage driver may have beside: some of its options are about disks that are attached."""

    async def attach_volumes(self, volumes: Mapping[DiskId, Spec], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        """
        As `attach`, for disks with what their volumes' options say; it is asked instead of that.

        No attach fails for such an option: a failover must not wait for what only matters later.
        """
        ...


def declared(driver: StorageDriver | None) -> Sequence[DriverOption]:
    """The options of a volume that a driver takes."""
    return driver.volume_options if isinstance(driver, Optioned) else ()


@dataclass(frozen=True, slots=True)
class Room:
    """
    Of one place where disks are made, in bytes. ``name``: as people know it, like "the pool reberth". ``used``: what
    disks of ours take there, as far as that is told (a thin one takes less than its size).
    """

    name: str
    free: int
    size: int
    used: Mapping[DiskId, int] = field(default_factory=dict)


@runtime_checkable
class Roomy(Protocol):
    """What a storage driver may have beside: it knows how much room is left where it makes disks."""

    async def rooms(self) -> Sequence[Room]:
        """Of all such places that tell it. Raises DriverError."""
        ...


@runtime_checkable
class Inspector(Protocol):
    """What a driver may have beside: it knows settings of VMs that will hurt some day."""

    async def concerns(self, nodes: Mapping[VmId, str]) -> Mapping[VmId, Sequence[str]]:
        """About the VMs of these nodes (hostnames), one sentence each, with the cure. Raises DriverError."""
        ...

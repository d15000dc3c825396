"""VMs, hosts and datastores as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CONNECTED = "connected"
SUSPENDED = "suspended"
UNSEEN = "the user may not see it any more"
FORBIDDEN = "the user may not read it"


@dataclass(frozen=True, slots=True)
class File:
    datastore: str  # the datastore's managed object ID, or its name where vCenter gives no ID
    path: str


@dataclass(frozen=True, slots=True)
class Disk:
    """
    A virtual disk in a VM's configuration; more than one file when it is in a snapshot chain, top first.

    ``scsi``: as far as is told; on another controller (NVMe, SATA, IDE) only somebody's hand can have put it.
    """

    key: int
    controller: int
    unit: int
    files: tuple[File, ...]
    uuid: str | None = None
    name: str = ""  # of the top file, as vCenter writes it
    capacity_kib: int = 0
    mode: str = ""
    scsi: bool = True


@dataclass(frozen=True, slots=True)
class Controller:
    """A SCSI controller; ``taken`` holds all its used units, its own included."""

    key: int
    bus: int
    paravirtual: bool
    taken: frozenset[int]
    shared: bool = False  # several VMs may have one disk on it: nothing is locked there


@dataclass(frozen=True, slots=True)
class Vm:
    """One VM as vCenter knows it. ``unread``: what of its configuration vCenter did not tell, or ""."""

    ref: str
    name: str
    uuid: str = ""
    power: str = ""
    connection: str = ""
    host: str | None = None
    change_version: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
    controllers: tuple[Controller, ...] = ()
    unread: str = ""
    datastores: frozenset[str] = frozenset()
    disk_uuids: bool = False  # its flag diskUuidEnabled

    @property
    def readable(self) -> bool:
        return not self.unread

    @property
    def connected(self) -> bool:
        return self.connection == CONNECTED

    @property
    def placeholder(self) -> bool:
        """
        A VM that is only now being made (cloned, deployed from a template): on no host, so it cannot run, and with no
        file anywhere yet.
        """
        return self.host is None and not self.datastores and self.power != "poweredOn"


@dataclass(frozen=True, slots=True)
class Host:
    ref: str
    connection: str


@dataclass(frozen=True, slots=True)
class Datastore:
    """``url`` is the same for what is one storage in several datacenters."""

    ref: str
    name: str
    url: str
    accessible: bool = True


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that one look shows, of one moment."""

    vms: tuple[Vm, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)  # managed object ID -> connection state
    datastores: tuple[Datastore, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A file in our folder; its size, and what it takes in the datastore, are None where the server does not tell."""

    name: str
    size_kib: int | None
    used_bytes: int | None = None


def renewed(vms: Sequence[Vm], fresh: Sequence[Vm]) -> tuple[Vm, ...]:
    """``vms``, in their order, with what was read of some since."""
    by_ref = {vm.ref: vm for vm in fresh}
    return tuple(by_ref.get(vm.ref, vm) for vm in vms)

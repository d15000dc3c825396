"""What is asked of vCenter and what it answers, without pyVmomi's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.shared.faults import Doubt
from drivers.vsphere.faults import Fault
from drivers.vsphere.inventory.values import Disk, Found


@dataclass(frozen=True, slots=True)
class Change:
    """
    One reconfiguration of one VM: ``add`` holds (file name, controller key, unit), ``remove`` the devices as they were
    read, ``controllers`` bus numbers, ``policed`` the devices that get the storage policy with the ID ``policy``,
    ``grown`` the devices that get so many KiB.
    Refused by vCenter if the VM's configuration is newer than ``version``.
    """

    ref: str
    version: str
    extra: tuple[tuple[str, str], ...]
    add: tuple[tuple[str, int, int], ...] = ()
    remove: tuple[Disk, ...] = ()
    controllers: tuple[int, ...] = ()
    policed: tuple[Disk, ...] = ()
    policy: str = ""
    grown: tuple[tuple[Disk, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskState:
    ended: bool
    fault: Fault | None = None
    found: tuple[Found, ...] | None = None  # of a search; None: it says nothing of files


def searched(state: TaskState) -> tuple[Found, ...]:
    """What a search found. Without any result it is not "no file": a disk that is not found may be made anew."""
    if state.found is None:
        raise Doubt("the search of a datastore ended without a result")
    return state.found


@dataclass(frozen=True, slots=True)
class Update:
    """``changed``: managed object ID -> SMBIOS UUID if it was among the changes."""

    changed: Mapping[str, str | None]

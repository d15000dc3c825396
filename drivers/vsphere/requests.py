"""What is asked of vCenter and what it answers, without pyVmomi's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.vsphere.faults import Fault


@dataclass(frozen=True, slots=True)
class Change:
    """
    One reconfiguration of one VM: ``add`` holds (file name, controller key, unit), ``remove`` device keys,
    ``controllers`` bus numbers. Refused by vCenter if the VM's configuration is newer than ``version``.
    """

    ref: str
    version: str
    extra: tuple[tuple[str, str], ...]
    add: tuple[tuple[str, int, int], ...] = ()
    remove: tuple[int, ...] = ()
    controllers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskState:
    ended: bool
    fault: Fault | None = None
    found: tuple[int | None, ...] = ()  # sizes in KiB, of a search; None where the server does not tell


@dataclass(frozen=True, slots=True)
class Update:
    """``changed``: managed object ID -> SMBIOS UUID if it was among the changes."""

    changed: Mapping[str, str | None]

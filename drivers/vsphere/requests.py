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
    found: tuple[Found, ...] = ()  # of a search


@dataclass(frozen=True, slots=True)
class Found:
    """A file in our folder; its size is None where the server does not tell."""

    name: str
    size_kib: int | None


@dataclass(frozen=True, slots=True)
class Update:
    """``changed``: managed object ID -> SMBIOS UUID if it was among the changes."""

    changed: Mapping[str, str | None]

"""What a driver may know beside of the guest in a VM, not from the guest's own word over its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from controller.model import BootId, VmId


@runtime_checkable
class Witness(Protocol):
    """What a driver may have beside: it knows by itself which boot of a VM runs, not from the machine's own word."""

    async def boots(self, vms: Sequence[VmId]) -> Mapping[VmId, BootId]:
        """Of those that run and whose boot it knows. Raises DriverError."""
        ...

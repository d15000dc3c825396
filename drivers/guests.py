"""What a driver may know beside of the guest in a VM, not from the guest's own word over its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from controller.model import BootId, Pulse, VmId


@runtime_checkable
class Pulses(Protocol):
    """What a driver may have beside: it sees whether the guest in a VM lives, past the guest's network."""

    async def pulses(self, vms: Sequence[VmId]) -> Mapping[VmId, Pulse]:
        """
        Of these VMs, within half a second; what cannot be told in time is UNKNOWN or left out. Raises DriverError.

        ALIVE keeps a silent node from being suspected. No other word does anything: only an OFF that was read is
        evidence.
        """
        ...


@runtime_checkable
class Witness(Protocol):
    """What a driver may have beside: it knows by itself which boot of a VM runs, not from the machine's own word."""

    async def boots(self, vms: Sequence[VmId]) -> Mapping[VmId, BootId]:
        """Of those that run and whose boot it knows. Raises DriverError."""
        ...

"""What a driver may know beside of the guest in a VM, not from the guest's own word over its network to us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from controller.model import BootId, VmId


@runtime_checkable
class Witness(Protocol):
    """What a driver may have beside: it knows by itself which boot of a VM runs, not from the machine's own word."""

    async def boots(self, vms: Sequence[VmId]) -> Mapping[VmId, BootId]:
        """Of those that run and whose boot it knows. Raises DriverError."""
        ...


@dataclass(frozen=True, slots=True)
class GuestAddresses:
    """
    IP addresses of the guest in a VM, also those of bridges and tunnels in it.

    ``whole``: they are all that its network cards have. Only then another one contradicts that it is this VM; else one
    that is among them vouches for it, and one that is not says nothing.
    """

    known: tuple[str, ...]
    whole: bool


@runtime_checkable
class Located(Protocol):
    """What a driver may have beside: it knows by which addresses the guest in a VM is reached."""

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        """
        Of these VMs, within a second and a half; one of which nothing is known, or that does not run, is left out. A
        guest that does not answer holds up the word about no other one. Raises DriverError.

        Where several VMs bear that ID, it is those of all of them.
        """
        ...

"""What a storage driver may have beside the contract: it can copy a disk that a VM uses."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from controller.model import DiskId, Spec, VolumeKey
from drivers.base import CreateOutcome


@runtime_checkable
class Snapshotter(Protocol):
    """What a storage driver may have beside, with the capability ``snapshots``: it can copy a disk that a VM uses."""

    async def snapshot(self, key: VolumeKey, spec: Spec, source: DiskId, *, at_rest: bool = True) -> CreateOutcome:
        """
        As `clone`, also of a disk that is attached: what is Created is the source as it was at one instant of this
        call, as after a loss of power (crash-consistent). Of a disk that is attached nowhere it is `clone`; where
        ``at_rest`` is false it is Refused then, as it would hold up whoever wants to attach the disk.

        It holds nobody up: of a disk that is attached a detach is carried out at once, and ends the copy; so does the
        end of the VM. That is Refused with ``retry_after`` then, as whatever may be otherwise the next time.
        """
        ...

"""libvirt's errors, sorted by what they say about the call."""

from __future__ import annotations

from enum import Enum

from drivers.shared import faults as shared
from drivers.shared.faults import Doubt


class Kind(Enum):
    NO_DOMAIN = "no-domain"
    NO_POOL = "no-pool"
    NO_VOLUME = "no-volume"
    EXISTS = "exists"
    LOCKED = "locked"  # another QEMU process has the image open for writing
    BUSY = "busy"  # another change of this VM is under way and does not end
    STATE = "state"  # the VM is not on, or not off, any more
    MISSING = "missing"  # the device is not there
    DENIED = "denied"
    OTHER = "other"


# virErrorNumber, from libvirt/virterror.h
_KINDS = {
    42: Kind.NO_DOMAIN,
    49: Kind.NO_POOL,
    50: Kind.NO_VOLUME,
    55: Kind.STATE,
    68: Kind.BUSY,
    88: Kind.DENIED,
    90: Kind.EXISTS,
    99: Kind.MISSING,
}
_WIRE = (7, 13)  # virErrorDomain: VIR_FROM_RPC, VIR_FROM_REMOTE: the error is about the connection


_PAUSES = {Kind.LOCKED: 1.0, Kind.BUSY: 5.0}  # a lock ends with QEMU, up to 2 s after a kill; libvirt is slower


class Fault(shared.Fault):
    """The hypervisor's own answer. ``why`` is for people only."""

    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(f"another running VM has the disk open: {why}" if kind is Kind.LOCKED else why)
        self.kind = kind

    @property
    def pause(self) -> float | None:
        return _PAUSES.get(self.kind)


def fault_from(code: int | None, domain: int | None, message: str) -> Fault | Doubt:
    """
    A libvirtError as ours.

    The lock is known by QEMU's words alone (measured with QEMU 7.2 and libvirt 9.0: code 1, domain 10, ``Failed to get
    "write" lock``): without them the attach is refused all the same, only with a worse sentence.
    """
    words = " ".join(message.split())[:400]
    if domain in _WIRE and code not in {88, 45}:
        return Doubt(f"the connection was lost: {words}")
    if "Failed to get" in words and "lock" in words:
        return Fault(Kind.LOCKED, words)
    return Fault(_KINDS.get(code or 0, Kind.OTHER), words)

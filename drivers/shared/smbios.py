"""The UUID by which firmware, hypervisors, BMCs and guests know one machine. Pure."""

from __future__ import annotations

import functools
from uuid import UUID

_PLACEHOLDERS = {
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",  # of boards that nobody gave one, the same on all of them
    "00020003-0004-0005-0006-000700080009",
}


def normal_uuid(text: str) -> str:
    """Lower case with hyphens, or "" if it is no UUID, or one that many machines have."""
    try:
        normal = str(UUID(text))
    except ValueError:
        return ""
    return "" if normal in _PLACEHOLDERS else normal


@functools.lru_cache(maxsize=16384)  # of thousands of VMs, the same ones in every look
def orders(uuid: str) -> frozenset[str]:
    """
    Both ways in which a machine's UUID is written: the first three fields in one byte order or the other.

    SMBIOS before 2.6 left it open, and so do BMCs that copy the bytes.
    """
    normal = normal_uuid(uuid)
    return frozenset({normal, str(UUID(bytes_le=UUID(normal).bytes))}) if normal else frozenset()


def one_machine(one: str, other: str) -> bool:
    """Whether both name the same machine: in either order, and however they are written."""
    return one == other or bool(orders(one) & orders(other))

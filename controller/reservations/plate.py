"""
The nameplate of a LUN: which volume's disk it is. Pure.

It is in the LUN's last 4 KiB, where no file system of ours is: the gate keeps the last MiB free, and has its own label
at the beginning of that. It is on the LUN itself, since that is the one place that every controller reads, and that
goes where the LUN goes: a record that is gone, or a swarm made anew, finds its disks by it. Whoever has the LUN for
writing could change it: so nothing rests on it alone. A disk's ID has the LUN's name beside the key, and a plate that
names another key only makes its own LUN unusable.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from controller.model import VolumeKey

BYTES = 4096
MAGIC = b"REBERTH LUN 1\n"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
_POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_MOST = 1 << 62


class BadPlate(Exception):
    """Something is there, and it is no nameplate of ours."""


@dataclass(frozen=True, slots=True)
class Plate:
    """``size``: the bytes that the volume was asked for with; its LUN has at least as many."""

    pool: str
    key: VolumeKey
    size: int


def offset(size: int) -> int:
    """Where it is on a LUN of so many bytes."""
    return size // BYTES * BYTES - BYTES


def valid_key(text: str) -> bool:
    return _KEY.match(text) is not None


def valid_pool(text: str) -> bool:
    return _POOL.match(text) is not None


def encode(plate: Plate) -> bytes:
    """Raises ValueError for what could not be read back."""
    if not valid_key(plate.key) or not valid_pool(plate.pool) or not 0 < plate.size < _MOST:
        raise ValueError(f"{plate} cannot be written on a LUN")
    text = MAGIC + f"{plate.pool}\n{plate.key}\n{plate.size}\n".encode("ascii")
    return (text + f"{zlib.crc32(text):08x}\n".encode("ascii")).ljust(BYTES, b"\0")


def decode(raw: bytes) -> Plate | None:
    """None: nothing but zeros, so the LUN bears none. Raises BadPlate."""
    if len(raw) != BYTES:
        raise BadPlate(f"a nameplate has {BYTES} bytes, and not {len(raw)}")
    if not any(raw):
        return None
    if not raw.startswith(MAGIC):
        raise BadPlate("its last 4 KiB are not empty, and no nameplate of Reberth's")
    try:
        lines = raw[: raw.index(0)].decode("ascii").split("\n")
        _, pool, key, size, _, rest = lines
        found = Plate(pool, VolumeKey(key), int(size))
        whole = not rest and encode(found) == raw
    except ValueError:
        whole = False
    if not whole:
        raise BadPlate("its nameplate is damaged")
    return found

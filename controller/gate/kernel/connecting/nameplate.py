"""The nameplate in the last 4 KiB of a LUN of a pool: controllers know by it whose it is. Blocks: see `device`."""

from __future__ import annotations

import os

from controller.reservations.plate import BYTES, BadPlate, decode, offset


def given_size(fd: int, size: int) -> tuple[int | None, int]:
    """
    The size of the volume that the LUN was given to, None for a disk without a plate; and where what is free at its end
    ends. Raises OSError.
    """
    at = offset(size)
    if at <= 0:
        return None, size
    try:
        plate = decode(os.pread(fd, BYTES, at))
    except BadPlate:
        plate = None
    return (None, size) if plate is None else (plate.size, at)

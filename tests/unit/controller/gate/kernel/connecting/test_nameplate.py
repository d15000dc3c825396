"""A LUN's nameplate tells what it was given for, and where what is free at its end ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.gate.kernel.connecting.nameplate import given_size
from controller.model import VolumeKey
from controller.reservations.plate import BYTES, Plate, encode

SIZE = 4 << 20
PLATE = encode(Plate("swarm-1", VolumeKey("data"), 1 << 20))


@pytest.mark.parametrize(
    ("at_the_end", "told"),
    [
        (PLATE, (1 << 20, SIZE - BYTES)),
        (bytes(BYTES), (None, SIZE)),
        (PLATE.replace(b"data", b"dato"), (None, SIZE)),
    ],
    ids=["a plate", "none", "a damaged one"],
)
def test_the_plate_is_read_and_what_is_none_counts_as_what_it_is(
    tmp_path: Path, at_the_end: bytes, told: tuple[int | None, int]
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(SIZE - BYTES) + at_the_end)
    fd = os.open(disk, os.O_RDONLY)
    try:
        assert given_size(fd, SIZE) == told
    finally:
        os.close(fd)


def test_a_disk_too_small_for_a_plate_has_none(tmp_path: Path) -> None:
    assert given_size(-1, 4096) == (None, 4096)

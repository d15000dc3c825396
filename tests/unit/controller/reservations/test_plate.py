"""A nameplate is read as it was written, and what a hostile node left there is none."""

from __future__ import annotations

import zlib

import pytest

from controller.model import VolumeKey
from controller.reservations.plate import BYTES, MAGIC, BadPlate, Plate, decode, encode, offset

PLATE = Plate("swarm-1", VolumeKey("pgdata-0123456789ab"), 64 << 20)


def test_a_plate_is_read_as_it_was_written() -> None:
    assert len(encode(PLATE)) == BYTES
    assert decode(encode(PLATE)) == PLATE


def test_zeros_are_no_plate() -> None:
    assert decode(bytes(BYTES)) is None


@pytest.mark.parametrize("size", [64 << 20, (64 << 20) + 512, (64 << 20) + 4095])
def test_it_is_in_the_last_whole_pages(size: int) -> None:
    assert offset(size) % BYTES == 0
    assert size - 2 * BYTES < offset(size) <= size - BYTES


def signed(text: bytes) -> bytes:
    return (MAGIC + text + f"{zlib.crc32(MAGIC + text):08x}\n".encode()).ljust(BYTES, b"\0")


@pytest.mark.parametrize(
    "raw",
    [
        b"EFI PART".ljust(BYTES, b"\0"),
        encode(PLATE).replace(b"pgdata", b"pgdatb"),
        encode(PLATE)[:-1] + b"\1",
        encode(PLATE)[:-1],
        signed(b"swarm-1\n../etc\n67108864\n"),
        signed(b"swarm-1\nx\n067108864\n"),
        signed(b"swarm-1\nx\n" + b"9" * 100 + b"\n"),
        signed(b"swarm-1\nx\n-5\n"),
        signed(b"swarm-1\nx\n"),
        signed("swarm-1\n\u00fc\n5\n".encode()),
        MAGIC.ljust(BYTES, b"\0"),
        b"\xff" * BYTES,
    ],
    ids=[
        *("somebody else's", "changed", "with more behind it", "short", "a path", "another way to write a number"),
        *("too large", "negative", "without a size", "not ASCII", "only the magic", "noise"),
    ],
)
def test_what_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPlate):
        decode(raw)


@pytest.mark.parametrize("plate", [Plate("", PLATE.key, 1), Plate("a", VolumeKey("a\nb"), 1), Plate("a", PLATE.key, 0)])
def test_what_could_not_be_read_back_is_not_written(plate: Plate) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        encode(plate)

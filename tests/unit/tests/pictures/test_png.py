"""A picture is made small, and shows the same."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import pytest

from tests.pictures.png import pixels, reduced

WHITE, BLACK, BLUE = b"\xff\xff\xff", b"\0\0\0", b"\0\0\xff"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def screenshot(lines: Sequence[bytes], width: int, kind: int = 2, bits: int = 8) -> bytes:
    """``lines``: as they are in the file, each begun by its filter."""
    header = struct.pack(">IIBBBBB", width, len(lines), bits, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in parts)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b"\0" + bytes((9, 9, 9, 7, 7, 7)), (9, 9, 9, 7, 7, 7)),
        (b"\1" + bytes((9, 9, 9, 1, 2, 3)), (9, 9, 9, 10, 11, 12)),
        (b"\2" + bytes((1, 2, 3, 250, 0, 0)), (11, 22, 33, 34, 50, 60)),
        (b"\3" + bytes((1, 1, 1, 0, 0, 0)), (6, 11, 16, 23, 30, 38)),
        (b"\4" + bytes((1, 1, 1, 0, 0, 0)), (11, 21, 31, 40, 50, 60)),
    ],
    ids=["none", "left", "above", "mean", "nearest"],
)
def test_each_way_in_which_a_line_is_told_is_read(line: bytes, row: tuple[int, ...]) -> None:
    first = b"\0" + bytes((10, 20, 30, 40, 50, 60))
    assert pixels(screenshot([first, line], 2)) == (2, [first[1:], bytes(row)])


def test_what_is_transparent_is_left_out_of_a_point() -> None:
    assert pixels(screenshot([b"\0" + WHITE + b"\xff" + BLUE + b"\x80"], 2, kind=6)) == (2, [WHITE + BLUE])


def test_two_colours_take_a_bit_a_point_and_are_the_same_colours() -> None:
    small = reduced(screenshot([b"\0" + (WHITE + BLACK + BLACK) * 3], 9))
    at = small.index(b"PLTE")
    assert small[24:26] == b"\x01\x03"
    assert small[at + 4 : at + 10] == WHITE + BLACK
    at = small.index(b"IDAT")
    assert zlib.decompress(small[at + 4 : -16]) == bytes((0, 0b01101101, 0b10000000))


def test_what_is_no_screenshot_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bits"):
        reduced(screenshot([b"\0" + WHITE * 2], 1, bits=16))

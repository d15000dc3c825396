"""Makes a browser's PNG small: text on a plain ground needs few shades. It reads what screenshots are: RGB or RGBA."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice

_BEGINS = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}  # PNG's colour types
SHADES = 8  # of each colour


def reduced(data: bytes) -> bytes:
    """The same picture with a palette of few shades."""
    width, rows = pixels(data)
    numbers: dict[bytes, int] = {}
    steps = bytes(round(value / 255 * (SHADES - 1)) * 255 // (SHADES - 1) for value in range(256))
    lines = []
    for row in rows:
        few = row.translate(steps)
        points = (few[at : at + 3] for at in range(0, len(few), 3))
        lines.append(bytes(numbers.setdefault(point, len(numbers)) for point in points))
    if len(numbers) > 256:
        raise ValueError(f"the picture has {len(numbers)} colours: a palette has 256")
    depth = next(bits for bits in (1, 2, 4, 8) if len(numbers) <= 1 << bits)
    header = struct.pack(">IIBBBBB", width, len(lines), depth, 3, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + _packed(line, depth) for line in lines), 9)
    chunks = ((b"IHDR", header), (b"PLTE", b"".join(numbers)), (b"IDAT", body), (b"IEND", b""))
    return _BEGINS + b"".join(_chunk(*each) for each in chunks)


def _packed(line: bytes, depth: int) -> bytes:
    """Several points a byte where they fit, the first in the highest bits."""
    each = 8 // depth
    whole = line + bytes(-len(line) % each)
    parts = [whole[at::each] for at in range(each)]
    return bytes(
        sum(point << (8 - depth * (at + 1)) for at, point in enumerate(points)) for points in zip(*parts, strict=True)
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_BEGINS)
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += size + 12


def pixels(data: bytes) -> tuple[int, list[bytes]]:
    """Its width, and its rows as RGB. What is not as a screenshot is refused."""
    found = list(_chunks(data))
    width, height, bits, kind, *_, laced = struct.unpack(">IIBBBBB", dict(found)[b"IHDR"])
    if bits != 8 or kind not in _CHANNELS or laced:
        raise ValueError(f"no screenshot: {bits} bits, colour type {kind}, interlace {laced}")
    channels = _CHANNELS[kind]
    raw = zlib.decompress(b"".join(body for name, body in found if name == b"IDAT"))
    size = width * channels + 1
    rows, above = [], bytes(size - 1)
    for at in range(0, height * size, size):
        above = _unfiltered(raw[at], bytearray(raw[at + 1 : at + size]), above, channels)
        rows.append(above)
    return width, [_rgb(row) if channels == 4 else row for row in rows]


def _rgb(row: bytes) -> bytes:
    few = bytearray(len(row) // 4 * 3)
    for channel in range(3):
        few[channel::3] = row[channel::4]
    return bytes(few)


def _unfiltered(kind: int, row: bytearray, above: bytes, channels: int) -> bytes:
    """As the specification's section 9 has it: a byte is told by those to the left, above, and both."""
    for at in islice(range(len(row)), channels if kind == 1 else 0, None) if kind else ():
        left = row[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        row[at] = (row[at] + _told(kind, left, above[at], corner)) & 255
    return bytes(row)


def _told(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 2:
        return up
    return (left + up) // 2 if kind == 3 else _paeth(left, up, corner)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))

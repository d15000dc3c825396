"""What a superblock says is the word of whoever wrote to the disk last."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from controller.gate.kernel.filesystem import label_at, size_of

XFS = b"XFSB" + struct.pack(">IQ", 4096, 2**63)
EXT4 = bytearray(2048)
struct.pack_into("<I", EXT4, 1024 + 4, 2**32 - 1)
struct.pack_into("<I", EXT4, 1024 + 24, 60)
EXT4[1024 + 56 : 1024 + 58] = b"\x53\xef"
struct.pack_into("<I", EXT4, 1024 + 96, 0x80)
struct.pack_into("<I", EXT4, 1024 + 336, 2**32 - 1)


@pytest.mark.parametrize("head", [XFS, bytes(EXT4)], ids=["xfs", "ext4"])
def test_a_size_that_no_disk_has_is_none(tmp_path: Path, head: bytes) -> None:
    """To read there is an error that is none of the disk's, and kept a gate from its start."""
    file = tmp_path / "disk"
    file.write_bytes(head.ljust(4096, b"\0"))
    with file.open("rb") as opened:
        assert size_of(opened.fileno()) == 0
        assert label_at(opened.fileno(), size_of(opened.fileno())) is None

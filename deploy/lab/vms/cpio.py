"""The kernel's initramfs format ("newc")."""

from __future__ import annotations

import io
import stat


class Cpio:
    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._inode = 0

    def folder(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def program(self, name: str, data: bytes) -> None:
        self._add(name, stat.S_IFREG | 0o755, data)

    def file(self, name: str, data: bytes) -> None:
        self._add(name, stat.S_IFREG | 0o644, data)

    def end(self) -> bytes:
        self._add("TRAILER!!!", 0, b"")
        return self._out.getvalue()

    def _add(self, name: str, mode: int, data: bytes) -> None:
        self._inode += 1
        raw = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        self._put(b"070701" + b"".join(b"%08X" % field for field in fields) + raw)
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._out.write(data + bytes(-len(data) % 4))

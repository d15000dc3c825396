"""
A FUSE server with one file, of which a test makes a disk: `sick_disk`. Nothing but the standard library, to start fast.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from pathlib import Path

NAME = b"disk"
FILE_ID = 2
# linux/fuse.h
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 16, 17, 18
FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR, BATCH_FORGET = 20, 25, 26, 27, 29, 42
DIRECT_IO = 1  # FOPEN_DIRECT_IO: the kernel keeps nothing of the file in its cache
LARGEST = 128 * 1024


class Server:
    """One folder with one file, kept in ``image``. ``fault``: a file that says what goes wrong: "write 28"."""

    def __init__(self, device: int, image: Path, fault: Path) -> None:
        self._device, self._fault = device, fault
        self._image = os.open(image, os.O_RDWR)

    def run(self) -> None:
        while True:
            try:
                request = os.read(self._device, LARGEST + 4096)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT, errno.EAGAIN}:
                    continue
                return  # unmounted
            length, code, unique, node = struct.unpack_from("<IIQQ", request)
            if code in {FORGET, BATCH_FORGET}:
                continue
            try:
                body, error_number = self._answer(code, node, request[40:length]), 0
            except OSError as error:
                body, error_number = b"", error.errno or errno.EIO
            os.write(self._device, struct.pack("<IiQ", 16 + len(body), -error_number, unique) + body)

    def _answer(self, code: int, node: int, body: bytes) -> bytes:
        if code in {READ, WRITE}:
            return self._move(code, body)
        if code == LOOKUP and body.rstrip(b"\0") != NAME:
            raise OSError(errno.ENOENT, "no such file")
        answers = {
            INIT: struct.pack("<IIIIHHIIHHIIIIIII", 7, 31, LARGEST, 0, 12, 10, LARGEST, 1, 32, 0, 0, *(0,) * 6),
            LOOKUP: struct.pack("<QQQQII", FILE_ID, 0, 0, 0, 0, 0) + self._attributes(FILE_ID),
            **dict.fromkeys((GETATTR, SETATTR), struct.pack("<QII", 0, 0, 0) + self._attributes(node)),
            **dict.fromkeys((OPEN, OPENDIR), struct.pack("<QIi", 0, DIRECT_IO, 0)),
            STATFS: struct.pack("<QQQQQIIII", 1 << 20, 1 << 20, 1 << 20, 1, 1, 4096, 255, 4096, 0) + bytes(24),
            **dict.fromkeys((RELEASE, RELEASEDIR, FLUSH, FSYNC), b""),
        }
        if code not in answers:
            raise OSError(errno.ENOSYS, "not needed")
        return answers[code]

    def _move(self, code: int, body: bytes) -> bytes:
        self._fail("read" if code == READ else "write")
        _, offset, size = struct.unpack_from("<QQI", body)
        if code == READ:
            return os.pread(self._image, size, offset)
        return struct.pack("<II", os.pwrite(self._image, body[40 : 40 + size], offset), 0)

    def _fail(self, what: str) -> None:
        try:
            kind, number = self._fault.read_text("ascii").split()
        except (OSError, ValueError):
            return
        if kind in {what, "all"}:
            raise OSError(int(number), "as the test wants")

    def _attributes(self, node: int) -> bytes:
        size = os.fstat(self._image).st_size if node == FILE_ID else 0
        mode = stat.S_IFREG | 0o600 if node == FILE_ID else stat.S_IFDIR | 0o700
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def serve(folder: str, image: str, fault: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,max_read={LARGEST}".encode()
    if libc.mount(b"sick", folder.encode(), b"fuse.sick", 6, options) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    Server(device, Path(image), Path(fault)).run()


if __name__ == "__main__":
    serve(*sys.argv[1:])

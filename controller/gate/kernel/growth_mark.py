"""
A mark on a disk while its ext4 is made larger: whoever finds it knows that a growth was cut off.

resize2fs is not safe against a cut: tried at each of its writes, 32 of 33 leave an ext4 of which `e2fsck -p` says
"Resize inode not valid" or "Inode 7 has illegal block(s)", and gives up. `e2fsck -y` mended every one, with all files
as they were: right before the growth it was checked and whole, and what is damaged is what the growth itself writes.
Without the mark the same words may mean a damaged disk, and that is for a person.

The mark is in the first 1024 bytes, which ext4 leaves to boot loaders: there it is found also after the disk has become
larger again, or was copied. All functions raise OSError.
"""

from __future__ import annotations

import os

from controller.gate.kernel.device import Device

AT = 512
MARK = b"REBERTH GROWING\n"


def is_marked(device: Device) -> bool:
    return os.pread(device.fd, len(MARK), AT) == MARK


def put(device: Device) -> None:
    _write(device.path, MARK)


def remove(device: Device) -> None:
    """Only when the file system was checked and has its size."""
    _write(device.path, bytes(len(MARK)))


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_EXCL)  # as a program: see `device.busy`
    try:
        os.pwrite(fd, text, AT)
        os.fsync(fd)
    finally:
        os.close(fd)

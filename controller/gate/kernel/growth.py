"""
A file system is made as large as its disk, less the MiB behind it for our label. Never smaller.

xfs grows while it is mounted. ext4 grows before it is mounted: online it would ask for CAP_SYS_RESOURCE, which the gate
does not have. Each step may be the last. The label is written at the disk's new end first: where the old one is, the
file system will be; until then it is read there as well (`filesystem.inspect`). xfs grows by transactions; resize2fs
writes its superblock last, and e2fsck comes before each mount. Newer xfs shrinks, too, if it is told to.
"""

from __future__ import annotations

import os
import re

from controller.gate.kernel.device import SYS_BLOCK, Device, text_of
from controller.gate.kernel.disk_check import TAIL_BYTES
from controller.gate.kernel.filesystem import DiskRefused, Say, label_at, size_of, write_label
from controller.gate.kernel.mount_table import Mount, MountFailed
from controller.gate.kernel.subprocesses import in_thread, run

SECTOR = 512  # of /sys, whatever the disk's own is
WORTH = 1 << 20


def room(size: int) -> int:
    """Bytes that a file system may have on a disk of ``size``."""
    return (size - TAIL_BYTES) // 4096 * 4096


async def fit_before_mount(device: Device, fstype: str, say: Say) -> None:
    """For a disk that nothing has mounted, and that is the volume's own. Raises DiskRefused."""
    if fstype != "ext4":
        return
    has, wanted = await in_thread(lambda: size_of(device.fd)), room(device.size)
    if wanted < has + WORTH:
        return
    say(f"making the file system on {device.path} as large as its disk (resize2fs)")
    await in_thread(lambda: _label(device.path, has, device.size - TAIL_BYTES))
    checked = await run("e2fsck", "-f", "-p", device.path)  # resize2fs asks for it
    if checked.code not in {0, 1}:
        raise DiskRefused(f"e2fsck -f -p ended with {checked.code} on {device.path}: {checked.said}")
    ended = await run("resize2fs", device.path, f"{wanted // 1024}K")
    if ended.code != 0:
        raise DiskRefused(f"ext4 on {device.path} was not made larger: {ended.said}")


async def fit(mount: Mount, fitted: int) -> int:
    """
    Grow an xfs that is mounted, unless its disk still has ``fitted`` bytes; answers the disk's size in bytes.

    Raises MountFailed, also where the disk has become smaller.
    """
    size = int(await in_thread(lambda: text_of(SYS_BLOCK / mount.number / "size")) or 0) * SECTOR
    if mount.fstype != "xfs" or size in {0, fitted}:
        return fitted
    block, blocks = await _geometry(mount)
    if block * blocks > size:
        raise MountFailed(f"the disk has {size} bytes, less than its file system: make it larger again")
    if room(size) >= block * blocks + WORTH:
        try:
            await in_thread(lambda: _label(mount.source, block * blocks, size - TAIL_BYTES))
        except OSError as error:
            raise MountFailed(f"{mount.source}: {error.strerror}") from error
        ended = await run("xfs_growfs", "-D", str(room(size) // block), str(mount.path))
        if ended.code != 0:
            raise MountFailed(f"xfs on {mount.source} was not made larger: {ended.said}")
    return size


async def _geometry(mount: Mount) -> tuple[int, int]:
    """Size of a block, and their number."""
    ended = await run("xfs_growfs", "-n", str(mount.path))
    found = re.search(r"^data .*?bsize=(\d+) +blocks=(\d+)", ended.out, re.MULTILINE)
    if ended.code != 0 or found is None:
        raise MountFailed(f"the size of {mount.path} cannot be read: {ended.said}")
    return int(found[1]), int(found[2])


def _label(path: str, old: int, new: int) -> None:
    """Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        uuid = label_at(fd, old)
    finally:
        os.close(fd)
    if uuid is not None:
        write_label(path, uuid, new)

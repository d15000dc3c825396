"""
A file system is made as large as its disk, less the MiB behind it for our label. Never smaller.

xfs grows while it is mounted. ext4 grows before it is mounted: online it would ask for CAP_SYS_RESOURCE, which the gate
does not have. Each step may be the last. The label is written at the disk's new end first: where the old one is, the
file system will be; until then it is read there as well (`filesystem.inspect`). xfs grows by transactions; of an ext4
that resize2fs was cut off from a mark tells the next check (growth_mark.py). Newer xfs shrinks, too, if it is told to.
"""

from __future__ import annotations

import os
import re
import struct

from controller.gate.kernel import growth_mark as mark
from controller.gate.kernel.device import SYS_BLOCK, Device, text_of
from controller.gate.kernel.disk_check import TAIL_BYTES
from controller.gate.kernel.filesystem import EXT_64BIT, EXT_AT, DiskRefused, Say, label_at, size_of, write_label
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
    try:
        await _fit_ext4(device, say)
    except OSError as error:
        raise DiskRefused(f"ext4 on {device.path} was not made larger: {error.strerror}") from error


def reach_of(fd: int) -> int:
    """
    Bytes that an ext4 can have before its table of groups outgrows what is kept free behind it: about 1,000 times what
    it was made with. Beyond that resize2fs moves files' blocks, and then a cut loses files. Raises OSError.
    """
    head = os.pread(fd, 1024, EXT_AT)

    def number(at: int, form: str = "I") -> int:
        return int(struct.unpack_from(f"<{form}", head, at)[0])

    block, first, in_group = 1024 << min(number(24), 6), number(20), number(32)
    wide = bool(number(96) & EXT_64BIT)
    blocks = number(4) + ((number(336) << 32) if wide else 0)
    in_block = block // (number(254, "H") if wide else 32)
    table = -(-(blocks - first) // in_group // in_block)
    return (first + (table + number(206, "H")) * in_block * in_group) * block


async def _fit_ext4(device: Device, say: Say) -> None:
    has, reach = await in_thread(lambda: (size_of(device.fd), reach_of(device.fd)))
    wanted = min(room(device.size), reach)
    if wanted < has + WORTH:
        if await in_thread(lambda: mark.is_marked(device)):
            await in_thread(lambda: mark.remove(device))
        return
    say(f"making the file system on {device.path} as large as its disk (resize2fs)")
    await in_thread(lambda: _label(device.path, has, device.size - TAIL_BYTES))
    checked = await run("e2fsck", "-f", "-p", device.path)  # resize2fs asks for it
    if checked.code not in {0, 1}:
        raise DiskRefused(f"e2fsck -f -p ended with {checked.code} on {device.path}: {checked.said}")
    await in_thread(lambda: mark.put(device))
    ended = await run("resize2fs", device.path, f"{wanted // 1024}K")
    if ended.code != 0:
        raise DiskRefused(f"ext4 on {device.path} was not made larger: {ended.said}")
    await in_thread(lambda: mark.remove(device))


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
            await in_thread(lambda: _label(mount.source, block * blocks, size - TAIL_BYTES, mounted=True))
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


def _label(path: str, old: int, new: int, *, mounted: bool = False) -> None:
    """Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        uuid = label_at(fd, old)
    finally:
        os.close(fd)
    if uuid is not None:
        write_label(path, uuid, new, mounted=mounted)

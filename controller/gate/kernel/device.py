"""
Block devices as the kernel sees them: find, pin, measure, read, tell whether they are in use or dead.

The functions here block; `block_devices` runs them in threads: a read from a disk that lost its path can hang.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

BY_ID = Path("/dev/disk/by-id")
SYS_BLOCK = Path("/sys/dev/block")
SYS_NAMES = Path("/sys/block")
SYS_FS = Path("/sys/fs")
BLKGETSIZE64 = 0x80081272  # linux/fs.h, on 64-bit
BLKFLSBUF = 0x1261
BLKROGET = 0x125E
GONE = frozenset({errno.ENXIO, errno.ENODEV, errno.ENOENT, errno.ENOMEDIUM})
DEAD_SCSI_STATES = frozenset({"offline", "transport-offline", "deleted", "cancel"})
CHUNK = 1 << 20
CONTROLLERS = "reberth"


@dataclass(frozen=True, slots=True)
class Device:
    """
    An open block device. While ``fd`` is open the kernel gives its number and name to no other disk, so the path that
    programs are given stays this disk's.
    """

    path: str  # resolved: /dev/sdb
    number: str  # "major:minor"
    size: int  # bytes
    fd: int
    silent: bool = False  # a SCSI disk that answers no read: perhaps the device of one that was taken

    def close(self) -> None:
        os.close(self.fd)


class NotABlockDevice(Exception):
    """The name is there and is something else."""


def number_of(rdev: int) -> str:
    return f"{os.major(rdev)}:{os.minor(rdev)}"


def open_devices(names: Sequence[str], by_id: Path = BY_ID) -> list[Device]:
    """
    Each block device with a size that bears one of the names, in their order. Raises NotABlockDevice, OSError.

    A name is a plain file name: it comes over the network, and must not lead elsewhere.
    """
    found: list[Device] = []
    with ExitStack() as kept:
        for path in _paths(names, by_id):
            device = _open(path)
            if device is None:
                continue
            if device.number in {other.number for other in found} or of_controllers(SYS_BLOCK / device.number):
                device.close()
                continue
            found.append(device)
            kept.callback(device.close)
        kept.pop_all()
    return found


def _paths(names: Sequence[str], by_id: Path) -> Iterator[Path]:
    for name in names:
        if "/" in name or name in {"", ".", ".."}:
            raise NotABlockDevice(f"the device name {name!r} is not a name under {by_id}")
        yield by_id / name
        yield from (Path("/dev") / disk for disk in in_sysfs(name))


def in_sysfs(name: str, disks: Path = SYS_NAMES) -> Iterator[str]:
    """
    All that udev will name so in a second or two, as the kernel calls it (``sdb``): it knows the disk already.

    ``wwn-0x5000c5...`` is the ``wwid`` file "naa.5000c5..." of a SCSI disk; ``virtio-SERIAL`` a virtio disk's serial.
    """
    kind, _, rest = name.partition("-")
    pattern, wanted = {
        "wwn": ("*/device/wwid", f"naa.{rest.removeprefix('0x')}"),
        "virtio": ("vd*/serial", rest),
    }.get(kind, ("", ""))
    if not pattern or not rest:
        return
    for file in sorted(disks.glob(pattern)):
        if text_of(file) == wanted:
            yield file.relative_to(disks).parts[0]


def of_controllers(disk: Path) -> bool:
    """
    Whether the disk comes by open-iscsi's interface for the controllers of this machine (docs/luns.md): the storage
    would not refuse this node there. ``disk``: the kernel's folder of it.
    """
    session = (disk / "device").resolve().parents[1]  # above the target and the disk's own address
    return any(text_of(name) == CONTROLLERS for name in session.glob("iscsi_session/*/ifacename"))


def _open(link: Path) -> Device | None:
    try:
        path = link.resolve(strict=True)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        os.close(fd)
        raise NotABlockDevice(f"{link} leads to {path}, which is not a block device")
    try:
        size: int = struct.unpack("Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))[0]
    except OSError:
        size = 0
    if size == 0:  # still being set up, or already dead
        os.close(fd)
        return None
    return Device(str(path), number_of(status.st_rdev), size, fd)


def drop_cache(device: Device) -> None:
    """What another node wrote since this kernel last read the disk must be seen."""
    fcntl.ioctl(device.fd, BLKFLSBUF)


def write_protected(device: Device) -> bool:
    """The kernel takes no write for it, whoever asks."""
    return bool(struct.unpack("i", fcntl.ioctl(device.fd, BLKROGET, bytes(4)))[0])


def is_zero(device: Device, offset: int, length: int) -> bool:
    """Raises OSError: a disk that cannot be read is not a blank one."""
    while length > 0:
        block = os.pread(device.fd, min(length, CHUNK), offset)
        if not block:
            raise OSError(errno.EIO, f"{device.path} ends before its size")
        if block.count(0) != len(block):
            return False
        offset += len(block)
        length -= len(block)
    return True


def in_use(number: str) -> bool:
    """
    Whether a file system (or anything else) in this kernel holds the disk exclusively, in whatever mount namespace.

    This, not the success of umount(2), tells that nobody here can write: a container or a service that copied the mount
    into a namespace of its own keeps the file system alive. False for a disk that is gone.
    """
    try:
        os.close(_open_number(number, os.O_EXCL | os.O_NONBLOCK))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        if error.errno in GONE:
            return False
        raise
    return False


def busy(number: str) -> bool:
    """
    Whether something has the disk exclusively, and no file system does: a check, mkfs, or the writing of a label.

    The kernel lists each file system that is mounted, in whatever mount namespace, under the name of its disk.
    """
    name = (SYS_BLOCK / number).resolve().name
    return in_use(number) and not any((SYS_FS / kind / name).exists() for kind in ("ext4", "xfs"))


def _open_number(number: str, flags: int) -> int:
    """Open a disk by its number for reading: under its usual name if there is one, else by a node of our own."""
    major, minor = (int(part) for part in number.split(":"))
    usual = Path("/dev") / (SYS_BLOCK / number).resolve().name
    if usual.is_block_device() and usual.stat().st_rdev == os.makedev(major, minor):
        return os.open(usual, os.O_RDONLY | os.O_CLOEXEC | flags)
    with tempfile.TemporaryDirectory(prefix="reberth-") as directory:
        node = Path(directory, "device")
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(major, minor))
        return os.open(node, os.O_RDONLY | os.O_CLOEXEC | flags)


def gone(number: str, sys_block: Path = SYS_BLOCK) -> bool:
    """
    The kernel has no such disk any more, or (a loop device, say) one of no size: nothing is written to it from here.

    A SCSI disk of no size is only sick: the kernel takes 0 where it asks for the capacity while the storage stalls
    (drivers/scsi/sd.c, sd_revalidate_disk), and the true one when it asks again.
    """
    base = sys_block / number
    return not base.exists() or (text_of(base / "size") == "0" and not (base / "device" / "state").exists())


def identity(number: str, sys_block: Path = SYS_BLOCK) -> str | None:
    """``naa.6000c29...``: of a SCSI disk, as the kernel read it when the disk came."""
    return text_of(sys_block / number / "device" / "wwid") or None


def symptom(number: str) -> str | None:
    """Why the disk looks dead, as the kernel's own lists have it. Does not wait for the disk."""
    base = SYS_BLOCK / number
    if not base.exists():
        return "the disk was taken from this VM"
    if text_of(base / "size") == "0":
        return "the disk has no size any more"
    state = text_of(base / "device" / "state")
    if state in DEAD_SCSI_STATES:
        return f"the SCSI device is {state}"
    return None


def removable(number: str) -> bool:
    """Whether the kernel lets one disk be taken out, as it does with SCSI disks."""
    return (SYS_BLOCK / number / "device" / "delete").exists()


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def read_fails(number: str) -> str | None:
    """Why one block cannot be read, past the page cache. A single failure is only a symptom: the caller asks twice."""
    try:
        fd = _open_number(number, os.O_DIRECT)
    except OSError as error:
        return "the disk cannot be opened any more" if error.errno in {errno.ENXIO, errno.ENODEV} else None
    try:
        with mmap.mmap(-1, 4096) as page:
            os.preadv(fd, [page], 0)
    except OSError as error:
        # An unaligned 4Kn disk says EINVAL: that says nothing about the disk.
        return f"the disk cannot be read ({error.strerror})" if error.errno != errno.EINVAL else None
    finally:
        os.close(fd)
    return None

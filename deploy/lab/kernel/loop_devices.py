"""
Loop devices by ioctl, and the sudden death of the file systems on them.

By ioctl, not losetup(8): sixty disks cost milliseconds instead of a second, and the device stays claimed between
"nobody uses it" and "it is gone". Sources: loop(4), linux/loop.h, linux/fs.h (FS_IOC_SHUTDOWN).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from deploy.lab.kernel import processes
from deploy.lab.names import LabError

_LOOP_SET_FD = 0x4C00
_LOOP_CLR_FD = 0x4C01
_LOOP_SET_CAPACITY = 0x4C07
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_MAJOR = 7
_FS_IOC_SHUTDOWN = 0x8004587D  # one number for ext4, xfs and f2fs
_NO_LOG_FLUSH = (2).to_bytes(4, "little")  # what is not on the disk yet is lost, the journal too
_POLL = 0.001


def device_number(number: int) -> int:
    return os.makedev(_LOOP_MAJOR, number)


def backed_under(folder: Path) -> dict[Path, int]:
    """Image -> loop number, for all loop devices with an image under a folder, as the kernel says."""
    found = {}
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        number = int(entry.parts[3].removeprefix("loop"))
        path = _backing(number)
        if path is not None and path.is_relative_to(folder):
            found[path] = number
    return found


def attach(image: Path) -> int:
    """Number of the loop device that now has the image. Raises LabError."""
    try:
        backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise LabError(f"The image {image} cannot be opened: {error.strerror}.") from error
    try:
        for _ in range(64):  # others take loop devices at the same time: the free one may be gone when we ask for it
            number = _take_free(backing)
            if number is not None:
                return number
    except OSError as error:
        raise LabError(f"No loop device could be taken: {error.strerror}. Free some with `losetup -D`.") from error
    finally:
        os.close(backing)
    raise LabError("No loop device could be taken: others were always faster.")


def _take_free(backing: int) -> int | None:
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        number = int(fcntl.ioctl(control, _LOOP_CTL_GET_FREE))
    finally:
        os.close(control)
    _ensure_node(number)
    device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _LOOP_SET_FD, backing)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return None
        raise
    finally:
        os.close(device)
    return number


def measure(number: int) -> None:
    """Take the size of the image anew, also while the device is mounted."""
    device = os.open(f"/dev/loop{number}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _LOOP_SET_CAPACITY)
    finally:
        os.close(device)


def _ensure_node(number: int) -> None:
    """Where /dev is not the kernel's own (in a container) new loop devices get no node by themselves."""
    with suppress(FileExistsError):
        os.mknod(f"/dev/loop{number}", 0o600 | 0o060000, device_number(number))


def claim(number: int) -> int | None:
    """Open the device for ourselves alone; None while a mount (or mkfs, fsck) has it. While claimed none can begin."""
    try:
        return os.open(f"/dev/loop{number}", os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return None
        raise


def users(among: Iterable[int]) -> dict[int, int]:
    """Device number -> a process that has the loop device open (a mount is not seen here)."""
    found: dict[int, int] = {}
    for pid in among:
        for entry in _open_files(pid, lambda status: os.major(status.st_rdev) == _LOOP_MAJOR):
            with suppress(OSError):
                found[entry.stat().st_rdev] = pid
    return found


def _open_files(pid: int, test: Callable[[os.stat_result], bool]) -> Iterator[Path]:
    with suppress(OSError):  # the process ends while we look
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if test(entry.stat()):
                    yield entry


def free(number: int, image: Path, claimed: int | None = None, seconds: float = 30.0) -> None:
    """
    Take the image from the device and wait until the kernel has let go. Closes ``claimed``.

    Raises LabError when something still holds the device after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while _backing(number) == image:
        with suppress(OSError):  # ENXIO: it went by itself
            device = claimed if claimed is not None else os.open(f"/dev/loop{number}", os.O_RDONLY | os.O_CLOEXEC)
            claimed = None
            try:
                fcntl.ioctl(device, _LOOP_CLR_FD)
            finally:
                os.close(device)
        if _backing(number) != image:
            return
        if time.monotonic() > deadline:
            raise LabError(f"/dev/loop{number} ({image.name}) is still in use after {seconds:g} s.")
        time.sleep(_POLL)
    if claimed is not None:
        os.close(claimed)


def _backing(number: int) -> Path | None:
    try:
        text = Path(f"/sys/block/loop{number}/loop/backing_file").read_text()
    except OSError:
        return None
    return Path(text.rstrip("\n").removesuffix(" (deleted)"))


def lose_cache(init: int, numbers: Iterable[int]) -> list[str]:
    """
    Shut down every file system of a node that lives on these loop devices: nothing more reaches the disk.

    So killing the node loses what a real power-off would lose: all that was not synced. Must come before the kill: a
    killed process leaves its dirty pages to the kernel. Returns what was shut down, for the log.
    """
    waiting = {device_number(number): f"/dev/loop{number}" for number in numbers}
    done: list[str] = []
    seen: set[int] = set()
    for pid in processes.members(init):
        if not waiting:
            break
        with suppress(OSError):
            namespace = Path(f"/proc/{pid}/ns/mnt").stat().st_ino
            if namespace not in seen:
                seen.add(namespace)
                done += _shut_down_mounted(pid, waiting)
    for pid in processes.members(init) if waiting else ():
        done += _shut_down_open(pid, waiting)  # unmounted lazily, but a process still has files there
    return done


def _shut_down_mounted(pid: int, waiting: dict[int, str]) -> list[str]:
    done = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        words = line.split()
        major, _, minor = words[2].partition(":")
        device = os.makedev(int(major), int(minor))
        path = words[4].encode().decode("unicode_escape")
        if device in waiting and _shut_down(f"/proc/{pid}/root{path}", device):
            done.append(waiting.pop(device))
    return done


def _shut_down_open(pid: int, waiting: dict[int, str]) -> list[str]:
    done = []
    for entry in list(_open_files(pid, lambda status: status.st_dev in waiting)):
        with suppress(OSError):
            device = entry.stat().st_dev
            if device in waiting and _shut_down(str(entry), device):
                done.append(waiting.pop(device))
    return done


def _shut_down(path: str, device: int) -> bool:
    """Shut the file system down through any path on it; False when the path leads elsewhere (mounted over)."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if os.fstat(handle).st_dev != device:
            return False
        fcntl.ioctl(handle, _FS_IOC_SHUTDOWN, _NO_LOG_FLUSH)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def shut_down(path: Path) -> bool:
    """Shut the file system at this path down, as one does whose disk fails; False when it cannot be."""
    try:
        device = path.stat().st_dev
    except OSError:
        return False
    return _shut_down(str(path), device)

"""Mounting, and the kernel's mount table, which alone tells what is mounted."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.gate.kernel import handout
from controller.gate.kernel.handout import Nameplate, Owner
from controller.gate.kernel.subprocesses import Questions, Stalled, in_thread, run

MOUNTINFO = Path("/proc/self/mountinfo")
FITRIM = 0xC0185879
MOST_BYTES = 1 << 62  # what everybody can be told


class MountFailed(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Mount:
    path: Path
    number: str  # major:minor
    fstype: str
    source: str  # the device's path when it was mounted
    read_only: bool = False
    failed: bool = False  # the kernel made the file system read-only by itself, after an error


class MountTable:
    """What is mounted directly under ``root``, and the ways to change it. All but `mounted` raise MountFailed."""

    def __init__(self, questions: Questions, root: Path) -> None:
        self._asked = questions
        self._root = root

    def mounted(self) -> Mapping[Path, Mount]:
        """Reads a file that the kernel makes at once: it never waits for a disk."""
        return parse_mountinfo(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"), self._root.resolve())

    async def mount(
        self, device: str, fstype: str, target: Path, *, twin: bool = False, options: Sequence[str] = ()
    ) -> None:
        """
        The target is made if it is missing.

        ``twin``: other file systems with its UUID may be mounted on this node.
        """
        try:
            await in_thread(lambda: target.mkdir(parents=True, exist_ok=True))
        except OSError as error:
            raise MountFailed(f"{target} cannot be made: {error.strerror}") from error
        ended = await run("mount", "-t", fstype, "-o", mount_options(fstype, options, twin=twin), device, str(target))
        if ended.code != 0:
            raise MountFailed(f"{device} could not be mounted: {ended.said}")

    async def turn_read_only(self, target: Path) -> None:
        """The file system, so every mount of it; the kernel refuses while a file on it is open for writing."""
        ended = await run("mount", "-o", "remount,ro", str(target))
        if ended.code != 0:
            raise MountFailed(f"{target} could not be made read-only: {ended.said}")

    async def dress(self, target: Path, plate: Nameplate, epoch: int, owner: Owner) -> Path:
        """Make the directory that is handed out ready; returns it."""
        try:
            return await in_thread(lambda: handout.dress(target, plate, epoch, owner))
        except OSError as error:
            raise MountFailed(f"{target} is mounted but cannot be written: {error}") from error

    async def nameplate(self, target: Path) -> Nameplate | None:
        return await self._asked.ask(f"reading the name in {target}", lambda: handout.read_nameplate(target))

    async def shut_down(self, target: Path) -> bool:
        return await self._asked.ask(f"a read from the file system {target}", lambda: handout.shut_down(target))

    async def usage(self, target: Path) -> tuple[int, int] | None:
        try:
            found = await self._asked.ask(f"the usage of {target}", lambda: os.statvfs(target))
        except (OSError, Stalled):
            return None
        # A file system that somebody has written to may call more blocks free than it has.
        used = max(0, found.f_blocks - found.f_bfree) * found.f_frsize
        return min(used, MOST_BYTES), min(found.f_bavail * found.f_frsize, MOST_BYTES)

    async def trim(self, target: Path, start: int, length: int) -> int | None:
        try:
            return await in_thread(lambda: _trim(target, start, length))
        except OSError:
            return None

    async def flush(self, target: Path) -> None:
        """syncfs(2), so that umount is quick and errors show."""
        ended = await run("sync", "--file-system", str(target))
        if ended.code != 0:
            raise MountFailed(f"{target} could not be flushed: {ended.said}")

    async def unmount(self, target: Path, *, lazy: bool = False) -> None:
        """
        The target is removed, unless it is not empty: nobody can be given the directory under a mount that is gone.

        The kernel then also drops the mounts on this very directory in other mount namespaces that copied ours.
        """
        ended = await run("umount", *(("-l",) if lazy else ()), str(target))
        if ended.code != 0:
            raise MountFailed(f"{target} could not be unmounted: {ended.said}")
        try:
            await in_thread(target.rmdir)
        except OSError:
            return


def _trim(target: Path, start: int, length: int) -> int:
    """ioctl(2) FITRIM, see linux/fs.h. Raises OSError."""
    asked = bytearray(struct.pack("<QQQ", start, length, 0))
    opened = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(opened, FITRIM, asked)
    finally:
        os.close(opened)
    return int(struct.unpack("<QQQ", asked)[1])


def _unescape(field: str) -> str:
    """proc(5): space, tab, newline and backslash are octal."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def parse_mountinfo(text: str, root: Path) -> dict[Path, Mount]:
    """File systems on block devices mounted directly under ``root``; the last on a path hides the others."""
    found = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 6 or len(right.split()) < 3:
            continue
        path = Path(_unescape(fields[4]))
        if path.parent == root and not fields[2].startswith("0:"):
            fstype, source, options = map(_unescape, right.split()[:3])
            found[path] = Mount(path, fields[2], fstype, source, *_read_only(fields[5], options))
    return found


def _read_only(mount: str, system: str) -> tuple[bool, bool]:
    """
    Whether it is, and whether by the kernel's own doing. Who asks for it gets the mount and its file system read-only;
    an error turns the file system alone, and newer kernels say that in words of their own.
    """
    ours, whole = set(mount.split(",")), set(system.split(","))
    failed = not {"emergency_ro", "shutdown"}.isdisjoint(whole) or ("ro" in whole and "ro" not in ours)
    return failed or "ro" in ours, failed


def mount_options(fstype: str, options: Sequence[str] = (), *, twin: bool) -> str:
    """The kernel mounts no second xfs with the UUID of one that is mounted already, unless it is told to."""
    return ",".join((*options, "nodev", "nosuid", *(("nouuid",) if twin and fstype == "xfs" else ())))

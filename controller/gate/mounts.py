"""Mounting, and the kernel's mount table, which alone tells what is mounted."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from controller.gate.programs import in_thread, run

MOUNTINFO = Path("/proc/self/mountinfo")
DATA = "data"  # what containers see: stock images expect an empty directory, without lost+found
NAME_FILE = ".reberth"  # beside it: whose file system this is, for a gate that lost its own memory
EPOCH_ATTRIBUTE = "user.reberth.epoch"


class MountFailed(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Mounted:
    path: Path
    number: str  # major:minor
    fstype: str
    source: str  # the device's path when it was mounted


class Nameplate(msgspec.Struct, frozen=True):
    name: str
    key: str
    serial: int


def _unescape(field: str) -> str:
    """proc(5): space, tab, newline and backslash are octal."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def parse_mountinfo(text: str, root: Path) -> dict[Path, Mounted]:
    """File systems on block devices mounted directly under ``root``; the last on a path hides the others."""
    found = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 6 or len(right.split()) < 2:
            continue
        path = Path(_unescape(fields[4]))
        if path.parent == root and not fields[2].startswith("0:"):
            found[path] = Mounted(path, fields[2], *map(_unescape, right.split()[:2]))
    return found


def mounted_under(root: Path, table: Path = MOUNTINFO) -> Mapping[Path, Mounted]:
    return parse_mountinfo(table.read_text(encoding="utf-8", errors="surrogateescape"), root.resolve())


def mount_options(fstype: str, *, twin: bool) -> str:
    """The kernel mounts no second xfs with the UUID of one that is mounted already, unless it is told to."""
    return "nodev,nosuid,nouuid" if twin and fstype == "xfs" else "nodev,nosuid"


async def mount(device: str, fstype: str, target: Path, *, twin: bool = False) -> None:
    """
    Raises MountFailed. The target is made if it is missing.

    ``twin``: other file systems with its UUID may be mounted on this node.
    """
    try:
        await in_thread(lambda: target.mkdir(parents=True, exist_ok=True))
    except OSError as error:
        raise MountFailed(f"{target} cannot be made: {error.strerror}") from error
    ended = await run("mount", "-t", fstype, "-o", mount_options(fstype, twin=twin), device, str(target))
    if ended.code != 0:
        raise MountFailed(f"{device} could not be mounted: {ended.said}")


async def flush(target: Path) -> None:
    """syncfs(2), so that umount is quick and errors show. Raises MountFailed."""
    ended = await run("sync", "--file-system", str(target))
    if ended.code != 0:
        raise MountFailed(f"{target} could not be flushed: {ended.said}")


async def unmount(target: Path, *, lazy: bool = False) -> None:
    """Raises MountFailed."""
    ended = await run("umount", *(("-l",) if lazy else ()), str(target))
    if ended.code != 0:
        raise MountFailed(f"{target} could not be unmounted: {ended.said}")


def remove_target(target: Path) -> None:
    """
    So that nobody can be given the empty directory under a mount that is gone. Leaves what is not empty.

    The kernel then also drops the mounts on this very directory in other mount namespaces that copied ours.
    """
    try:
        target.rmdir()
    except OSError:
        return


async def dress(target: Path, plate: Nameplate, epoch: int) -> Path:
    """Make what is handed out ready; returns it. Raises MountFailed."""

    def work() -> Path:
        data = target / DATA
        data.mkdir(exist_ok=True)
        os.setxattr(data, EPOCH_ATTRIBUTE, str(epoch).encode("ascii"))
        _write_nameplate(target, plate)
        fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        return data

    try:
        return await in_thread(work)
    except OSError as error:
        raise MountFailed(f"{target} is mounted but cannot be written: {error}") from error


def _write_nameplate(target: Path, plate: Nameplate) -> None:
    """Only a help after a loss: a full disk must not keep the container from starting."""
    fresh = target / f"{NAME_FILE}.new"
    try:
        fresh.write_bytes(msgspec.json.encode(plate))
        fresh.replace(target / NAME_FILE)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise


def read_nameplate(target: Path) -> Nameplate | None:
    try:
        return msgspec.json.decode((target / NAME_FILE).read_bytes(), type=Nameplate)
    except (OSError, msgspec.DecodeError):
        return None

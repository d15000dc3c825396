"""
The directory of a volume that containers are given, and beside it the nameplate: whose file system this is.

What a disk brings along is hostile: somebody was root on the node that had it before. So nothing here follows a link,
opens a FIFO or a device, or reads without a bound: each name is one step below the file system's own root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from controller.json_errors import NOT_JSON
from controller.volumes.naming import key_of

DATA = "data"  # what containers see: stock images expect an empty directory, without lost+found
FRESH_DATA = ".data.new"
NAME_FILE = ".reberth"  # for a gate that lost its own memory
EPOCH_ATTRIBUTE = "user.reberth.epoch"
PLATE_BYTES = 4096
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
SHUT_DOWN = frozenset({errno.EIO, errno.EUCLEAN})
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Nameplate(msgspec.Struct, frozen=True):
    """``serial`` begins at a second of the wall clock; one far above is no serial of ours."""

    name: str
    key: str
    serial: Annotated[int, msgspec.Meta(ge=0, le=2**32)]


@dataclass(frozen=True, slots=True)
class Owner:
    """Of the directory that is handed out, when it is made. None: root's, or 0755."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


def dress(target: Path, plate: Nameplate, epoch: int, owner: Owner = Owner()) -> Path:
    """Make what is handed out ready; returns it. Raises OSError."""
    with _opened(target) as root:
        if owner != Owner():
            _make_owned(root, owner)
        with _opened(DATA, root) as data:
            if os.fstat(data).st_dev != os.fstat(root).st_dev:
                raise OSError(errno.EXDEV, f"{DATA} on the disk is another file system")
            _stamp(data, epoch)
        _write_nameplate(root, plate)
        os.fsync(root)
    return target / DATA


def _make_owned(root: int, owner: Owner) -> None:
    """Where there is none yet, whole or not at all: whoever comes later must not find it half owned, and as its own."""
    with suppress(FileNotFoundError):
        os.stat(DATA, dir_fd=root, follow_symlinks=False)
        return
    with _opened(FRESH_DATA, root) as fresh:
        os.fchown(fresh, -1 if owner.uid is None else owner.uid, -1 if owner.gid is None else owner.gid)
        if owner.mode is not None:
            os.fchmod(fresh, owner.mode)
    os.rename(FRESH_DATA, DATA, src_dir_fd=root, dst_dir_fd=root)


@contextmanager
def _opened(path: Path | str, root: int | None = None) -> Iterator[int]:
    """A directory, made below ``root`` if it is missing there. Raises OSError for whatever else bears its name."""
    if root is not None:
        with suppress(FileExistsError):
            os.mkdir(path, 0o755, dir_fd=root)
    try:
        fd = os.open(path, FOLDER, dir_fd=root)
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            raise OSError(error.errno, f"{path} on the disk is a link or a file; look at the disk by hand") from error
        raise
    try:
        yield fd
    finally:
        os.close(fd)


def _stamp(data: int, epoch: int) -> None:
    """For people and drills. A full disk must not keep the container from starting: who else could make room?"""
    try:
        os.setxattr(data, EPOCH_ATTRIBUTE, str(epoch).encode("ascii"))
    except OSError as error:
        if error.errno not in FULL:
            raise


def _write_nameplate(root: int, plate: Nameplate) -> None:
    """Only a help after a loss: a full disk must not keep the container from starting."""
    fresh = f"{NAME_FILE}.new"
    try:
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=root)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=root), "wb") as file:
            file.write(msgspec.json.encode(plate))
        os.rename(fresh, NAME_FILE, src_dir_fd=root, dst_dir_fd=root)
    except OSError as error:
        if error.errno not in FULL:
            raise


def read_nameplate(target: Path) -> Nameplate | None:
    """None unless it is a small plain file that names the volume mounted there."""
    try:
        plate = msgspec.json.decode(_read(target), type=Nameplate)
    except (OSError, *NOT_JSON):
        return None
    # A disk may have been written to by anybody: it names no other volume.
    return plate if plate.key == target.name == key_of(plate.name) else None


def shut_down(target: Path) -> bool:
    """Whether the file system refuses all work after an error: ext4 and xfs then open no file."""
    try:
        _read(target)
    except OSError as error:
        return error.errno in SHUT_DOWN
    return False


def _read(target: Path) -> bytes:
    with _opened(target) as root:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(NAME_FILE, flags, dir_fd=root)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, f"{NAME_FILE} is no plain file")
            return os.read(fd, PLATE_BYTES)
        finally:
            os.close(fd)

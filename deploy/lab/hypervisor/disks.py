"""
The lab's disks: image files. A disk is attached to a VM by moving its file into that VM's folder.

A file has one place and moves in one step, so an attachment is exclusive and survives the death of the machine host at
any instant; there is no other record that could disagree.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.names import Layout

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SUFFIX = ".img"
_UNFINISHED = ".unfinished"  # a name that ends so is never a disk
_STAMP = "epoch"
_FICLONE = 0x40049409  # linux/fs.h


class StorageRefusal(Exception):
    """
    What was asked is against the rules of the storage. Nothing was done. ``cure``: where it will be so until a person
    does that.
    """

    def __init__(self, why: str, cure: str | None = None) -> None:
        super().__init__(why)
        self.cure = cure


@dataclass(frozen=True, slots=True)
class AttachedDisk:
    disk: str
    vm: str
    epoch: int


def check_name(disk: str) -> None:
    if not _NAME.fullmatch(disk):
        raise ValueError(f"{disk[:120]!r} is no name for a disk: 1 to 100 letters, digits, '_', '.' and '-'.")


def reflink(source: Path, target: Path) -> None:
    """Raises StorageRefusal where the file system cannot. What was written to the source until now is in it."""
    try:
        with source.open("rb") as old, target.open("wb") as new:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
    except OSError as error:
        why = f"{source.name} is in use, and the lab's file system cannot copy it at one instant: {error.strerror}."
        raise StorageRefusal(why, "Put the lab's folder on xfs or btrfs.") from error


def can_reflink(folder: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=folder) as tried:
        source = Path(tried, "a")
        source.write_bytes(bytes(4096))
        try:
            reflink(source, Path(tried, "b"))
        except StorageRefusal:
            return False
    return True


class Disks:
    """All methods may be called from any thread."""

    def __init__(self, layout: Layout) -> None:
        self._pool = layout.pool
        self._machines = layout.machines
        self._lock = threading.Lock()  # so that a list never sees a disk twice or not at all while it moves
        self._copied: Counter[str] = Counter()  # disks that are being read, by the number of copies
        self._pool.mkdir(parents=True, exist_ok=True)
        for left in self._pool.glob(f"*{_UNFINISHED}"):  # by a host that was killed: nobody will finish it
            left.unlink(missing_ok=True)

    def add_machine(self, vm: str) -> None:
        (self._machines / vm).mkdir(parents=True, exist_ok=True)

    def folder(self, vm: str) -> Path:
        return self._machines / vm

    def image(self, disk: str, vm: str) -> Path:
        return self._machines / vm / f"{disk}{_SUFFIX}"

    def all(self) -> dict[str, int]:
        """Disk -> size in bytes."""
        with self._lock:
            images = [*self._pool.glob(f"*{_SUFFIX}"), *self._machines.glob(f"*/*{_SUFFIX}")]
            return {image.stem: image.stat().st_size for image in images}

    def create(self, disk: str, size_bytes: int) -> int:
        """Size of the disk, made now or earlier. Raises StorageRefusal."""
        check_name(disk)
        with self._lock:
            found = self._find(disk)
            if found is not None:
                return self._same_size(disk, found, size_bytes)
            self._check_room(size_bytes)
            # Named only when it is whole.
            unfinished = self._pool / f"{disk}{_UNFINISHED}"
            with unfinished.open("wb") as file:
                file.truncate(size_bytes)
            unfinished.rename(self._pool / f"{disk}{_SUFFIX}")
            return size_bytes

    def copy(self, disk: str, size_bytes: int, source: str) -> int:
        """
        Size of the disk, copied now from one that is attached nowhere, or made earlier. Raises StorageRefusal.

        The lock is not held while it copies: the others go on, and the source is refused to whoever wants it.
        """
        check_name(disk)
        check_name(source)
        with self._lock:
            found = self._find(disk)
            if found is not None:
                return self._same_size(disk, found, size_bytes)
            image = self._free(source)
            self._check_room(self._same_size(source, image, size_bytes))
            self._copied[source] += 1
        unfinished = self._pool / f"{disk}.{uuid.uuid4().hex}{_UNFINISHED}"
        try:
            done = subprocess.run(
                ["cp", "--sparse=always", str(image), str(unfinished)], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise StorageRefusal(f"Disk {source} could not be copied: {done.stderr.strip()}")
            with self._lock:
                found = self._find(disk)
                if found is None:
                    found = unfinished.rename(self._pool / f"{disk}{_SUFFIX}")
                return self._same_size(disk, found, size_bytes)
        finally:
            unfinished.unlink(missing_ok=True)
            with self._lock:
                self._copied[source] -= 1

    def snapshot(self, disk: str, size_bytes: int, source: str, *, at_rest: bool = True) -> int:
        """
        As `copy`, also of a disk that is attached: the file system copies it at one instant, or it is refused.
        ``at_rest``: whether one may be copied that is not.
        """
        check_name(disk)
        check_name(source)
        unfinished = self._pool / f"{disk}.{uuid.uuid4().hex}{_UNFINISHED}"
        with self._lock:
            found, image = self._find(disk), self._find(source)
            if found is not None:
                return self._same_size(disk, found, size_bytes)
            if image is not None and image.parent != self._pool:
                self._same_size(source, image, size_bytes)
                try:
                    reflink(image, unfinished)
                    unfinished.rename(self._pool / f"{disk}{_SUFFIX}")
                finally:
                    unfinished.unlink(missing_ok=True)
                return size_bytes
            if not at_rest:
                raise StorageRefusal(f"Disk {source} is attached to no machine.")
        return self.copy(disk, size_bytes, source)

    def grow(self, disk: str, size_bytes: int) -> Path:
        """Where the disk is, which is at least so large now. Raises StorageRefusal."""
        check_name(disk)
        with self._lock:
            found = self._find(disk)
            if found is None:
                raise StorageRefusal(f"There is no disk {disk}.")
            self._check_uncopied(disk)
            more = size_bytes - found.stat().st_size
            if more > 0:
                self._check_room(more)
                os.truncate(found, size_bytes)
            return found

    def _free(self, source: str) -> Path:
        """The image of a disk that is attached nowhere."""
        image = self._find(source)
        if image is None:
            raise StorageRefusal(f"There is no disk {source} to copy.")
        if image.parent != self._pool:
            raise StorageRefusal(f"Disk {source} cannot be copied while it is attached to {image.parent.name}.")
        return image

    def _check_room(self, size_bytes: int) -> None:
        usage = os.statvfs(self._pool)
        if size_bytes > usage.f_bavail * usage.f_frsize:
            raise StorageRefusal(
                f"No room for a disk of {size_bytes} bytes: {usage.f_bavail * usage.f_frsize} are free.",
                "Make room in the storage, or remove the service and the volume and ask for a smaller size.",
            )

    def _check_uncopied(self, disk: str) -> None:
        if self._copied[disk]:
            raise StorageRefusal(f"Disk {disk} is being copied.")

    def _same_size(self, disk: str, image: Path, size_bytes: int) -> int:
        size = image.stat().st_size
        if size != size_bytes:
            raise StorageRefusal(
                f"Disk {disk} exists with {size} bytes, not {size_bytes}.",
                "Give the volume another name, or that size.",
            )
        return size

    def delete(self, disk: str) -> None:
        check_name(disk)
        with self._lock:
            found = self._find(disk)
            if found is not None and found.parent != self._pool:
                raise StorageRefusal(f"Disk {disk} is attached to {found.parent.name}.")
            self._check_uncopied(disk)
            if found is not None:
                found.unlink()

    def holder(self, disk: str) -> str | None:
        """VM that has the disk; None when no VM has. Raises StorageRefusal when there is no such disk."""
        with self._lock:
            found = self._find(disk)
        if found is None:
            raise StorageRefusal(f"There is no disk {disk}.")
        return None if found.parent == self._pool else found.parent.name

    def _find(self, disk: str) -> Path | None:
        name = f"{disk}{_SUFFIX}"
        places = [self._pool / name, *(folder / name for folder in self._machines.glob("*"))]
        return next((place for place in places if place.exists()), None)

    def of(self, vm: str) -> list[str]:
        return sorted(image.stem for image in (self._machines / vm).glob(f"*{_SUFFIX}"))

    def attachments(self) -> list[AttachedDisk]:
        with self._lock:
            return [
                AttachedDisk(disk, folder.name, self.stamp(folder.name))
                for folder in sorted(self._machines.glob("*"))
                for disk in self.of(folder.name)
            ]

    def give(self, disk: str, vm: str) -> None:
        """Pool -> VM. Raises FileNotFoundError when the disk is not in the pool any more, StorageRefusal."""
        with self._lock:
            self._check_uncopied(disk)
            (self._pool / f"{disk}{_SUFFIX}").rename(self.image(disk, vm))

    def take(self, disk: str, vm: str) -> None:
        with self._lock:
            self.image(disk, vm).rename(self._pool / f"{disk}{_SUFFIX}")

    def stamp(self, vm: str) -> int:
        try:
            return int((self._machines / vm / _STAMP).read_text())
        except FileNotFoundError:
            return 0

    def raise_stamp(self, vm: str, epoch: int) -> None:
        """Raises StorageRefusal when the VM was stamped by a higher epoch."""
        known = self.stamp(vm)
        if epoch < known:
            raise StorageRefusal(f"Epoch {epoch} is over: VM {vm} was stamped by epoch {known}.")
        if epoch > known:
            new = self._machines / vm / f"{_STAMP}.new"
            new.write_text(str(epoch))
            new.rename(self._machines / vm / _STAMP)

"""One LUN, open: found by its name, sure to be a whole disk, asked and changed. Blocks: see `scsi`."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from controller.reservations import codec, plate, scsi
from controller.reservations.codec import Act, Read
from controller.reservations.scsi import NoAnswer, NotSent
from controller.reservations.state import Seen, State

BY_ID = Path("/dev/disk/by-id")
SYS_BLOCK = Path("/sys/dev/block")
BLKGETSIZE64 = 0x80081272
BLKDISCARD = 0x1277
END_BYTES = 1 << 20  # at both ends, where file systems and partition tables have their signatures
_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Lun:
    """``fd`` is open for reading and writing past the page cache."""

    fd: int
    size: int

    def state(self) -> State:
        """Read twice where somebody changed it in between. Raises NotSent, NoAnswer, Failed, Malformed."""
        for _ in range(_LOOKS):
            keys = codec.keys(scsi.read(self.fd, Read.KEYS))
            held = codec.reservation(scsi.read(self.fd, Read.RESERVATION))
            if keys.generation == held.generation:
                return State(keys.each, held.reservation, keys.generation)
        raise NoAnswer("its keys change faster than they can be read")

    def look(self) -> Seen:
        return Seen(self.size, self.state(), self.plate())

    def persisting(self) -> bool:
        """Whether what is registered outlives a loss of the storage's power, as it is set now."""
        return codec.abilities(scsi.read(self.fd, Read.CAPABILITIES)).persisting

    def register(self, old: int | None, new: int) -> None:
        scsi.register(self.fd, old, new)

    def reserve(self, own: int) -> None:
        scsi.act(self.fd, Act.RESERVE, own, 0)

    def preempt(self, own: int, other: int) -> None:
        """
        All that is registered with the key ``other`` is not any more, and what it had under way is aborted; the
        reservation, if it was its, is ours without a gap.
        """
        scsi.act(self.fd, Act.PREEMPT_AND_ABORT, own, other)

    def plate(self) -> bytes:
        return self.read(plate.offset(self.size), plate.BYTES)

    def read(self, offset: int, length: int) -> bytes:
        """Both whole pages. Raises NoAnswer."""
        with mmap.mmap(-1, length) as pages:
            try:
                got = os.preadv(self.fd, [pages], offset)
            except OSError as error:
                raise NoAnswer(f"it cannot be read ({error.strerror})") from error
            if got != length:
                raise NoAnswer(f"it ends at {offset + got}, before its size")
            return pages[:]

    def write(self, offset: int, data: bytes) -> None:
        """Whole pages; on the LUN when it returns. Raises NoAnswer: also one that is cut off may be there yet."""
        with mmap.mmap(-1, len(data)) as pages:
            pages[:] = data
            try:
                done = os.pwritev(self.fd, [pages], offset)
                os.fsync(self.fd)
            except OSError as error:
                raise NoAnswer(f"it cannot be written ({error.strerror})") from error
            if done != len(data):
                raise NoAnswer(f"only {done} of {len(data)} bytes were written")

    def blank(self) -> bool:
        """Nothing but zeros at both ends, beside the nameplate."""
        return not any(any(self.read(at, length)) for at, length in self._ends())

    def name(self, data: bytes) -> None:
        """Write the nameplate."""
        self.write(plate.offset(self.size), data)

    def wipe(self) -> None:
        """Both ends are zeros then; the rest is given back to the storage where it takes that. The nameplate stays."""
        with suppress(OSError):  # one that does not know it keeps what it has
            fcntl.ioctl(self.fd, BLKDISCARD, struct.pack("QQ", 0, plate.offset(self.size)))
        for at, length in self._ends():
            self.write(at, bytes(length))

    def _ends(self) -> Iterator[tuple[int, int]]:
        end = plate.offset(self.size)
        head = min(END_BYTES, end)
        yield 0, head
        if end > head:
            tail = max(head, end - END_BYTES)
            yield tail, end - tail


@contextmanager
def opened(name: str, by_id: Path = BY_ID) -> Iterator[Lun]:
    """
    By its name, which holds its WWN: what is called /dev/sdb may be another one tomorrow. Raises NotSent.

    Never made by opening: after a logout a write to /dev/sdb would make a plain file of that name.
    """
    fd = _open(name, by_id)
    try:
        yield Lun(fd, _size(fd, name))
    finally:
        os.close(fd)


def _open(name: str, by_id: Path) -> int:
    if "/" in name or name in {"", ".", ".."}:
        raise NotSent(f"{name!r} is not a name under {by_id}")
    try:
        fd = os.open(by_id / name, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotSent(f"{by_id / name} cannot be opened ({error.strerror}): is it logged in?") from error
    found = os.fstat(fd)
    if not stat.S_ISBLK(found.st_mode):
        why = "is no block device"
    elif (SYS_BLOCK / f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}" / "partition").exists():
        why = "is a partition: reservations are of whole LUNs"
    else:
        return fd
    os.close(fd)
    raise NotSent(f"{by_id / name} {why}")


def _size(fd: int, name: str) -> int:
    size: int = struct.unpack("Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))[0]
    if size < 2 * END_BYTES:
        raise NotSent(f"{name} has {size} bytes, too few for a disk of ours")
    return size

"""
Disks of ours that something in this kernel has, and of which this gate does not know for whom.

Its file was lost or damaged, and dockerd had unmounted what was the plugin's: a container writes on, and nothing here
tells to which volume. So no volume that this gate did not mount itself is called unmounted before they are free.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from controller.gate.kernel.device import BY_ID, in_use, number_of
from controller.gate.kernel.disk_check import TAIL_BYTES
from controller.gate.kernel.filesystem import label_at, size_of

LOST = (
    "the gate has lost its memory, and cannot tell for which volume the disk {} is in use on this node: it waits for "
    "that container's end; find it with `grep -l reberth /proc/*/mountinfo`"
)


def labelled_in_use(by_id: Path = BY_ID) -> frozenset[str]:
    """Numbers of the node's disks with a label of ours that are held exclusively, by whomever."""
    return frozenset(number for number, path in _disks(by_id) if in_use(number) and _has_label(path))


def _disks(by_id: Path) -> Iterator[tuple[str, Path]]:
    """Each once: udev has many names for it."""
    found = {}
    for link in by_id.glob("*"):
        with suppress(OSError):  # one that is just going
            status = link.stat()
            if stat.S_ISBLK(status.st_mode):
                found[number_of(status.st_rdev)] = link
    yield from found.items()


def _has_label(path: Path) -> bool:
    """A disk that cannot be read is dead: nothing is written to it either."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        ends = (max(0, size - TAIL_BYTES), size_of(fd))
        return any(label_at(fd, end) is not None for end in ends)
    except OSError:
        return False
    finally:
        os.close(fd)

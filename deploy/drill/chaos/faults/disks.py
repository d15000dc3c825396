"""
Disks that fail under a service: as it looks to those who write.

What ext4 and xfs do when a disk fails is what is done here, by their own switches for it: all I/O fails (shut down), or
nothing can be written any more (aborted, read-only). The lab's kernel has no device that fails by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from deploy.drill.chaos.faults.base import Breaker, ChaosFault, nothing
from deploy.drill.chaos.schedule import Kind
from deploy.drill.errors import DrillError
from deploy.lab.kernel import loop_devices, processes

FILLER = "chaos-filler"


def mounted(breaker: Breaker, node: str) -> Iterator[tuple[str, Path, int]]:
    """Where the writer's volume is mounted now: the node, the path in its first process's view, that process."""
    volume = breaker.writer(node).volume
    for image, number in loop_devices.backed_under(breaker.layout.machines).items():
        if image.stem.startswith(f"{volume}-"):
            yield from _mounts(breaker, image.parent.name, number)


def _mounts(breaker: Breaker, vm: str, number: int) -> Iterator[tuple[str, Path, int]]:
    name = next(each.name for each in breaker.lab.nodes if each.vm == vm)
    init = processes.node_init(breaker.lab.spec.name, name)
    if init is None:
        return
    for words in (line.split() for line in Path(f"/proc/{init}/mountinfo").read_text().splitlines()):
        if words[2] == f"7:{number}":
            yield name, Path(words[4].encode().decode("unicode_escape")), init


def _one(breaker: Breaker, node: str) -> tuple[str, Path, int]:
    found = next(mounted(breaker, node), None)
    if found is None:
        raise DrillError(f"the volume {breaker.writer(node).volume} is mounted nowhere now")
    return found


def _all_fails(breaker: Breaker, node: str) -> None:
    """Nothing more reaches the disk, nothing can be read that is not cached: EIO."""
    _, path, init = _one(breaker, node)
    if not loop_devices.shut_down(Path(f"/proc/{init}/root{path}")):
        raise DrillError(f"the file system at {path} could not be shut down")


def _read_only(breaker: Breaker, node: str) -> None:
    """As ext4 does after an error in its metadata; xfs has shut down alone."""
    name, path, init = _one(breaker, node)
    done = breaker.lab.exec(name, ["mount", "-o", "remount,abort", str(path)])
    if done.returncode != 0 and not loop_devices.shut_down(Path(f"/proc/{init}/root{path}")):
        raise DrillError(f"{path} could not be made read-only: {done.stderr.strip()}")


def _fill(breaker: Breaker, node: str) -> None:
    """To the last byte."""
    _, path, init = _one(breaker, node)
    handle = os.open(f"/proc/{init}/root{path}/{FILLER}", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        room = os.fstatvfs(handle)
        size = room.f_bfree * room.f_frsize
        while size >= room.f_frsize:
            try:
                os.posix_fallocate(handle, os.fstat(handle).st_size, size)
            except OSError:
                size //= 2
    finally:
        os.close(handle)


def _make_room(breaker: Breaker, node: str) -> None:
    """It may have moved; where it is mounted nowhere, its service waits for the next try."""
    _, path, init = _one(breaker, node)
    Path(f"/proc/{init}/root{path}/{FILLER}").unlink(missing_ok=True)


FAULTS = (
    ChaosFault(Kind("disk-error", 2, lasts=False), "All I/O of a volume's file system fails.", _all_fails, nothing),
    ChaosFault(Kind("disk-read-only", 2, lasts=False), "A volume's file system is read-only.", _read_only, nothing),
    ChaosFault(Kind("volume-full"), "A volume is full to the last byte.", _fill, _make_room),
)

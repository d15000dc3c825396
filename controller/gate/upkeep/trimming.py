"""
What was deleted is given back to the storage: fstrim, once a day, where the disk takes discards.

A node's own fstrim.timer sees only what is in its fstab. Piece by piece, as a call that is under way keeps the file
system from being unmounted; an unmount tries again for longer than a piece takes.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from functools import partial

import structlog

from controller.gate.kernel.host import Host
from controller.gate.kernel.mount_table import Mount
from controller.gate.volume import Volume

log = structlog.get_logger()

LOOK_SECONDS = 60.0
FIRST_SECONDS = 1800.0  # and up to as much again, by the name: not all volumes of a node in one minute
EACH_SECONDS = 86_400.0
PIECE = 1 << 30
PAUSE = 0.1


class Trimming:
    def __init__(self, host: Host, volumes: Iterable[Volume]) -> None:
        self._host = host
        self._volumes = volumes
        self._due: dict[Mount, float] = {}

    async def run(self, jobs: asyncio.TaskGroup) -> None:
        """Until cancelled."""
        while True:
            now = asyncio.get_running_loop().time()
            mounted = {volume.mount: volume for volume in self._volumes if volume.mount is not None}
            self._due = {mount: self._due.get(mount, now + _first(each)) for mount, each in mounted.items()}
            for mount, volume in mounted.items():
                if now >= self._due[mount] and not mount.read_only and not volume.trimming.running:
                    self._due[mount] = now + EACH_SECONDS
                    volume.trimming.start(jobs, partial(self.trim, volume, mount))
            await asyncio.sleep(LOOK_SECONDS)

    async def trim(self, volume: Volume, mount: Mount) -> None:
        """One round over one file system; an unmount or a container that ends goes first."""
        start, freed = 0, 0
        while volume.mount == mount and not volume.unmounting.running:
            piece = await self._host.trim(mount.path, start, PIECE)
            if piece is None:
                break
            start, freed = start + PIECE, freed + piece
            await asyncio.sleep(PAUSE)
        if freed:
            log.info("volume.trimmed", volume=volume.name, bytes=freed, why="what was deleted is given back")


def _first(volume: Volume) -> float:
    return FIRST_SECONDS * (1 + zlib.crc32(volume.name.encode()) / 2**32)

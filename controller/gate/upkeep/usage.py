"""
How full the mounted volumes are: told to people. Nothing is decided by it.

statvfs on a dead disk may hang for ever, in a thread that nothing can end: so a volume is asked for once at a time, and
one that does not answer soon has no number, instead of an old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from controller.gate.kernel.host import Host
from controller.gate.volume import Volume

EACH_SECONDS = 20.0


async def watch(volumes: Iterable[Volume], host: Host, jobs: asyncio.TaskGroup) -> None:
    """Until cancelled."""
    while True:
        for volume in volumes:
            begin(volume, host, jobs)
        await asyncio.sleep(EACH_SECONDS)


def begin(volume: Volume, host: Host, jobs: asyncio.TaskGroup) -> None:
    if volume.measuring.running:  # since a round ago
        volume.usage = None
    elif volume.mount is not None:
        volume.measuring.start(jobs, partial(_measure, volume, host))


async def soon(volume: Volume, host: Host, jobs: asyncio.TaskGroup, seconds: float) -> tuple[int, int] | None:
    """As it is now, where that is told within so many seconds."""
    begin(volume, host, jobs)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await volume.measuring.outcome()
            return volume.usage
    return None


async def _measure(volume: Volume, host: Host) -> None:
    mount = volume.mount
    found = None if mount is None else await host.usage(mount.path)
    volume.usage = found if volume.mount == mount else None

"""
Pokes from libvirt: a VM started, stopped, or got or lost a device.

One thread and one connection for each host. After every loss it connects again, and says so with an event for no VM in
particular: what happened in between is unknown.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable

import structlog

from controller.model import VmId
from drivers.base import PowerEvent
from drivers.libvirt.client import Watch
from drivers.libvirt.settings import Settings
from drivers.shared.faults import CallError

log = structlog.get_logger()
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 15.0
_TICK = 1.0  # seconds between two looks whether anybody still listens


async def watch(settings: Settings) -> AsyncIterator[PowerEvent]:
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[PowerEvent] = asyncio.Queue()
    stop = threading.Event()

    def poke(vm: VmId | None) -> None:
        try:
            loop.call_soon_threadsafe(events.put_nowait, PowerEvent(vm))
        except RuntimeError:  # the loop is closed: nobody listens any more
            stop.set()

    for uri in settings.uris:
        threading.Thread(
            target=follow, args=(uri, settings.keepalive, poke, stop), name=f"libvirt watch {uri}", daemon=True
        ).start()
    try:
        while True:
            yield await events.get()
    finally:
        stop.set()


def follow(uri: str, keepalive: int, poke: Callable[[VmId | None], None], stop: threading.Event) -> None:
    """Until ``stop``: one connection after the other."""
    pause = _FIRST_PAUSE
    while not stop.is_set():
        try:
            watch = Watch(uri, keepalive, poke)
        except CallError as error:
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
            log.warning("power.watch_lost", uri=uri, why=str(error), again_in=round(wait, 1))
            stop.wait(wait)
            pause = min(2 * pause, _LAST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        poke(None)
        while not stop.is_set() and not watch.lost.wait(_TICK):
            pass
        watch.close()
        if not stop.is_set():
            log.warning("power.watch_lost", uri=uri, why="the connection ended", again_in=0)

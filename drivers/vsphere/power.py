"""
Pokes from vCenter: something about power, hosts or disks changed.

A session of its own, since one request of it always waits. After every loss it connects again, and says so with an
event for no VM in particular: what happened in between is unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import structlog

from controller.model import VmId
from drivers.base import PowerEvent
from drivers.shared.faults import CallError
from drivers.vsphere.inventory import orders
from drivers.vsphere.requests import Update
from drivers.vsphere.settings import Settings

if TYPE_CHECKING:
    from drivers.vsphere.client.login import LoginGuard

log = structlog.get_logger()
WAIT = 60  # seconds that the server holds a request: 60 requests in an idle hour
_MARGIN = 15.0  # seconds that an answer may come late before the connection counts as dead
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 30.0


class Source(Protocol):
    """One connected watch. Blocking; raises `NotSent`, `Doubt` or `Fault` when it is lost."""

    def wait(self, seconds: int) -> Update | None: ...

    def close(self) -> None: ...


def watch(settings: Settings, guard: LoginGuard) -> AsyncIterator[PowerEvent]:
    """``guard``: of the other session, too: a password that one of them had refused is not tried by the other."""

    def connect() -> Source:
        from drivers.vsphere.client import Watch  # noqa: PLC0415 - pyVmomi is loaded by its users only

        return Watch(settings, WAIT + _MARGIN, guard)

    return watch_source(connect)


async def watch_source(
    connect: Callable[[], Source], jitter: Callable[[], float] = random.random
) -> AsyncIterator[PowerEvent]:
    """Pokes for ever from one source after the other."""
    pause = _FIRST_PAUSE
    while True:
        try:
            async with contextlib.aclosing(_one(connect)) as events:
                async for event in events:
                    pause = _FIRST_PAUSE
                    yield event
        except CallError as error:
            wait = pause * (0.5 + jitter() / 2)
            log.warning("power.watch_lost", why=str(error), again_in=round(wait, 1))
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LAST_PAUSE)


async def _one(connect: Callable[[], Source]) -> AsyncGenerator[PowerEvent, None]:
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(1, thread_name_prefix="vsphere-watch")
    source: Source | None = None
    try:
        source = await loop.run_in_executor(threads, connect)
        known: dict[str, str] = {}
        first = True
        while True:
            update = await loop.run_in_executor(threads, source.wait, WAIT)
            if update is None:
                continue
            known |= {ref: uuid for ref, uuid in update.changed.items() if uuid}
            if first:
                first = False
                yield PowerEvent(None)
                continue
            for event in _events(update, known):
                yield event
    finally:
        if source is not None:
            source.close()
        threads.shutdown(wait=False, cancel_futures=True)


def _events(update: Update, known: dict[str, str]) -> list[PowerEvent]:
    """A host's change concerns many VMs; a VM's is told under both IDs by which its guest may know it."""
    vms: set[str] = set()
    for ref in update.changed:
        if ref not in known:
            return [PowerEvent(None)]
        vms |= orders(known[ref])
    return [PowerEvent(VmId(vm)) for vm in sorted(vms)]

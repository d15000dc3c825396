"""
All hypervisor hosts, asked at once.

VMs and pools are read apart, each pool in a thread of its own: libvirt answers nothing about a pool while it refreshes
it, and that may hang with a file server. Then this pool is a gap, and not the host.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

from drivers.libvirt.client import Host
from drivers.libvirt.decide import Look
from drivers.libvirt.looking.naming import Namer
from drivers.libvirt.looking.pools import Pool, Pools, ceph_pool, joined, only
from drivers.libvirt.settings import Settings
from drivers.libvirt.stores import Disks
from drivers.shared.faults import CallError, NotSent
from drivers.shared.threads import Threads

T = TypeVar("T")


class Hosts:
    """``disks``: all that there are in these pools, for the one that is not known by where it is."""

    def __init__(self, settings: Settings, disks: Callable[[Pools], Awaitable[Disks]]) -> None:
        self._settings = settings
        self._namer = Namer(disks, settings.look_timeout)
        self.each = [Host(index, settings) for index in range(len(settings.uris))]
        self._threads = [Threads(uri) for uri in settings.uris]
        self._readers = {
            (host.index, name): _Reader(f"the pool {name} on {host.uri}")
            for host in self.each
            for name in settings.pool_names
        }

    async def run(self, host: int, act: Callable[[], T], seconds: float | None = None) -> T:
        return await self._threads[host].run(act, seconds or self._settings.call_timeout)

    async def ask(self, what: Callable[[Host], Callable[[], T]]) -> list[T | CallError]:
        """In the order of the hosts."""
        timeout = self._settings.look_timeout
        answers = await asyncio.gather(
            *(self.run(host.index, what(host), timeout) for host in self.each), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, CallError):
                raise answer
        return [cast("T | CallError", answer) for answer in answers]

    async def look(self) -> Look:
        """Raises when no host can be read, or no pool."""
        async with asyncio.TaskGroup() as group:
            seats = group.create_task(self.ask(lambda host: host.look))
            shown = group.create_task(self.pools())
        answers, pools = seats.result(), shown.result()
        lost = [each for each in answers if isinstance(each, CallError)]
        if len(lost) == len(answers):
            raise lost[0]
        if not pools.usable:
            raise pools.unusable[0].cause
        found = tuple(seat for each in answers if not isinstance(each, CallError) for seat in each)
        return await self._namer.named(Look(pools, found, tuple(str(each) for each in lost)))

    async def whole(self) -> Look:
        """For what must not be done to a disk that is attached anywhere. Raises when a part cannot be read."""
        look = await self.look()
        if look.unread:
            raise NotSent("; ".join(look.unread))
        return look

    async def pools(self) -> Pools:
        if self._settings.rbd is not None:
            return only(ceph_pool(self._settings.rbd.pool))
        async with asyncio.TaskGroup() as group:
            asked = {at: group.create_task(self._pool(*at)) for at in self._readers}
        names, hosts = self._settings.pool_names, range(len(self.each))
        shown = {name: [asked[host, name].result() for host in hosts] for name in names}
        return joined(shown, self._settings.uris)

    async def _pool(self, host: int, name: str) -> Pool | CallError:
        try:
            return await self._readers[host, name].read(
                partial(self.each[host].pool, name), self._settings.look_timeout
            )
        except CallError as error:
            return error

    async def close(self) -> None:
        for host in self.each:
            with contextlib.suppress(CallError):
                await self.run(host.index, host.close, 5.0)


class _Reader:
    """Of one pool on one host. While a call hangs no second one is sent: a connection takes few at a time."""

    def __init__(self, name: str) -> None:
        self._threads = Threads(name, most=1)
        self._turn = asyncio.Lock()

    async def read(self, act: Callable[[], T], seconds: float) -> T:
        async with self._turn:
            return await self._threads.run(act, seconds)

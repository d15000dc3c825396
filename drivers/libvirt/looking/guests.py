"""
Asking all hosts for the addresses of guests.

Each VM in a thread of its own, on a connection of its own: libvirt waits for an agent that hangs, for seconds, and
answers little else there meanwhile. Whoever asks does not wait for it, and the looks at VMs and pools go on beside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from controller.model import VmId
from drivers.guests import GuestAddresses
from drivers.libvirt.client import Host
from drivers.libvirt.looking.addresses import joined
from drivers.shared.faults import CallError
from drivers.shared.threads import Threads

_SECONDS = 1.3  # for all that is asked at one time
_AT_ONCE = 5  # on one connection: libvirtd takes no more of one client (max_client_requests)
_MOST = 10  # also those that wait for agents that hang


class Guests:
    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._threads = [Threads(f"guests on {host.uri}", most=_MOST) for host in hosts]
        self._turns = [asyncio.Semaphore(_AT_ONCE) for _ in hosts]

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        answers = await asyncio.gather(*(self._of(vm) for vm in vms))
        return {vm: guest for vm, guest in zip(vms, answers, strict=True) if guest is not None}

    async def _of(self, vm: VmId) -> GuestAddresses | None:
        return joined(await asyncio.gather(*(self._on(host, vm) for host in range(len(self._hosts)))))

    async def _on(self, host: int, vm: VmId) -> GuestAddresses | None:
        """None: it is not known, or not in time."""
        try:
            async with asyncio.timeout(_SECONDS), self._turns[host]:
                return await self._threads[host].run(partial(self._hosts[host].guest, vm), _SECONDS)
        except (CallError, TimeoutError):
            return None

"""One change at a time to a VM and to a disk, in this process. Between processes the storage's own guards decide."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from controller.model import DiskId, VmId


class Locks:
    def __init__(self) -> None:
        self._disks: defaultdict[DiskId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._vms: defaultdict[VmId, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def alone(self, disks: Sequence[DiskId], vm: VmId | None = None) -> AsyncIterator[None]:
        """
        A VM: two changes at once would refuse one another. A disk: the look that finds it free and its attach are two
        requests. Always the VM first and the disks in order, so that nobody waits in a ring.
        """
        async with AsyncExitStack() as stack:
            if vm is not None:
                await stack.enter_async_context(self._vms[vm])
            for disk in sorted(set(disks)):
                await stack.enter_async_context(self._disks[disk])
            yield

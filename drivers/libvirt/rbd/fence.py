"""
Fenced at the storage: whoever has an image open cannot write to it any more, for as long as it lives.

Ceph's OSDs refuse a client that is on the blocklist, dead or alive, whether its host answers or not. What counts is
only what is read back: that each client of the image is on the list, with an end that no frozen client outlives.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import structlog

from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.rbd.answers import Blocklist

log = structlog.get_logger()
_ROUNDS = 4  # the first one acts, the second one reads back; more where a client came or an entry went in between


class Cluster(Protocol):
    """Of `tools.Tools`, what fencing needs."""

    async def clients(self, image: str) -> list[str]: ...

    async def blocklist(self) -> Blocklist: ...

    async def block(self, address: str) -> None: ...

    async def unblock(self, address: str) -> None: ...


async def cut(cluster: Cluster, image: str) -> None:
    """
    Returns when nobody who has the image open can write. Raises CallError, and Fault when that does not become so.

    Ceph forgets who has an image open: a client that is frozen for 30 s is no watcher any more, and it loses its lock
    to the next one who wants it, who blocklists it for an hour only. So those that were noted before a grant count too.
    The clients are read before the list: who is on it by then was cut off.
    """
    for _ in range(_ROUNDS):
        clients = await cluster.clients(image)
        if not clients:
            return
        listed, now = await cluster.blocklist(), datetime.now(UTC)
        left = [each for each in clients if not listed.holds(each, now)]
        if not left:
            log.info("disk.fenced", image=image, clients=clients, why="they had it open and are on Ceph's blocklist")
            return
        for each in left:
            if each in listed.entries:
                # One that ends soon: adding does not extend it. Nobody else has the image yet, so the gap is harmless.
                await cluster.unblock(each)
            await cluster.block(each)
    raise Fault(Kind.STATE, f"the image {image} is opened anew again and again: see `rbd status` who has it")

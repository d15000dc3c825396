"""
A wire that delays: frames between two interfaces wait for some time, and may overtake each other.

For kernels without sch_netem. ``python -m deploy.lab.kernel.slow_wire ONE OTHER SECONDS JITTER``; it ends when either
interface does. Frames go with the header of virtio_net (PACKET_VNET_HDR, packet(7)), so that what the kernel left to
be done, checksums and segments, is done on the other side. One socket has both ways of its interface: what it sent
itself is left out (PACKET_IGNORE_OUTGOING).
"""

from __future__ import annotations

import heapq
import itertools
import random
import select
import socket
import sys
import time
from contextlib import suppress

_SOL_PACKET = 263
_IGNORE_OUTGOING, _VNET_HEADER = 23, 15
_ALL = 0x0003  # ETH_P_ALL
_LARGEST = 2**17


def _open(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    made.setsockopt(_SOL_PACKET, _VNET_HEADER, 1)
    made.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
    made.bind((interface, _ALL))
    made.setblocking(False)
    return made


def carry(one: str, other: str, seconds: float, jitter: float) -> None:
    """Until an interface is gone: OSError."""
    ends = (_open(one), _open(other))
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    order = itertools.count()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for ready in select.select(ends, (), (), pause)[0]:
            to = ends[1] if ready is ends[0] else ends[0]
            with suppress(BlockingIOError):
                while True:
                    frame = ready.recv(_LARGEST)
                    due = time.monotonic() + seconds + random.uniform(0, jitter)
                    heapq.heappush(waiting, (due, next(order), to, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(waiting)
            with suppress(BlockingIOError):  # a full wire loses frames
                to.send(frame)


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit("usage: python -m deploy.lab.kernel.slow_wire ONE OTHER SECONDS JITTER")
    with suppress(OSError):
        carry(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))


if __name__ == "__main__":
    main()

"""What the kernel knows of the way to the managers, and of the file system that Docker's data is on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

_IP_MTU, _IPV6_MTU = 14, 24  # of linux/in.h and in6.h; Python has no names for them
_ANY_PORT = 9


def smallest_mtu(addresses: Iterable[str]) -> int | None:
    """Of the ways to these addresses; None where none of them is known."""
    return smallest(map(mtu_to, addresses))


def smallest(told: Iterable[int | None]) -> int | None:
    return min((each for each in told if each is not None), default=None)


def mtu_to(address: str) -> int | None:
    """The interface's, or less where a router has said since that less goes through. Nothing is sent."""
    six = ":" in address
    try:
        with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((address, _ANY_PORT))
            return way.getsockopt(*((socket.IPPROTO_IPV6, _IPV6_MTU) if six else (socket.IPPROTO_IP, _IP_MTU)))
    except (OSError, ValueError):
        return None


def room_of(folder: Path) -> tuple[int, int] | None:
    """Bytes of its file system: what is left for whoever is not root, and all."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

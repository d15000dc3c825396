"""Ports for servers that take a number, not a socket: chosen now, listened on later."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

_OURS = range(15000, 32000)
"""Below ``ip_local_port_range``: the kernel hands none of these to those who ask for any port or connect from one. A
port out of that range was seen taken by another test's server before ours listened: it got our TLS and spoke HTTP."""


def free_port(address: str = "127.0.0.1") -> int:
    """Of both TCP and UDP. Drawn from many, so that tests which run beside each other do not meet."""
    return free_ports(1, address)[0]


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Different ones, each as :func:`free_port` has it."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in random.sample(_OURS, len(_OURS)):
            if len(found) == count:
                return found
            with suppress(OSError):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    stack.enter_context(socket.socket(type=kind)).bind((address, port))
                found.append(port)
    raise OSError(f"{address} has fewer than {count} free ports in {_OURS}")

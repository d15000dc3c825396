"""
Who gets in at a TCP port: so many connections for each address and in all, before a byte of theirs is read.

A worker with a valid certificate, or anybody who reaches the port, may connect without end, and say half a request on
each: that has to cost the worker its own answers, and neither the controller nor another gate anything.
"""

from __future__ import annotations

import ipaddress
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

MOST_EACH = 512  # a long poll for each container that starts on a node, and what its gate asks besides
MOST_IN_ALL = 16_384  # a thousand gates have some thousand
NEW_EACH = 32.0  # a second, after a burst of as many as may be open: each is a handshake, which takes CPU
UNREAD_SECONDS = 30.0  # for which an answer may wait until its peer reads on; then the kernel ends the connection
UNREAD_BYTES = 65_536  # of answers that the kernel keeps for one connection; it takes twice that for its own books
_RESERVE = 256  # files that the controller opens for itself
_MOST_REMEMBERED = 65_536

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Guest:
    """``left``: how many more it may open by now, as of ``since``."""

    left: float
    since: float
    inside: int = 0
    told: bool = False


class Turnstile:
    """Counts who is inside. ``clock``: seconds, monotonic."""

    def __init__(
        self,
        each: int = MOST_EACH,
        in_all: int = MOST_IN_ALL,
        new_each: float = NEW_EACH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each, self._in_all, self._new_each = each, in_all, new_each
        self._clock = clock
        self._guests: dict[str, _Guest] = {}
        self.inside = 0

    def enters(self, address: str) -> str | None:
        """Why it may not come in; None: it is inside, until it `leaves`."""
        now = self._clock()
        guest = self._known(address, now)
        guest.left = min(float(self._each), guest.left + (now - guest.since) * self._new_each)
        guest.since = now
        why = self._too_many(guest)
        if why is None:
            guest.left -= 1.0
            guest.inside += 1
            self.inside += 1
            return None
        if not guest.told:  # once: it tries again at once
            guest.told = True
            _log.warning("peer.crowding", address=address, why=why)
        return why

    def leaves(self, address: str) -> None:
        self._guests[address].inside -= 1
        self.inside -= 1

    def _too_many(self, guest: _Guest) -> str | None:
        if self.inside >= self._in_all:
            return f"{self._in_all} connections are open"
        if guest.inside >= self._each:
            return f"{self._each} connections from there are open"
        if guest.left < 1.0:
            return f"more than {self._new_each:.0f} new connections a second come from there"
        return None

    def _known(self, address: str, now: float) -> _Guest:
        if address not in self._guests and len(self._guests) >= _MOST_REMEMBERED:
            self._guests = {name: guest for name, guest in self._guests.items() if guest.inside}
        return self._guests.setdefault(address, _Guest(float(self._each), now))


class _Inside(socket.socket):
    """A connection that is counted until it is closed, however that comes about."""

    leave: Callable[[], None] | None = None

    def close(self) -> None:
        super().close()
        leave, self.leave = self.leave, None
        if leave is not None:
            leave()


class Door(socket.socket):
    """A listening socket that lets in whom the turnstile does."""

    turnstile: Turnstile
    unread: float = UNREAD_SECONDS

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError for whoever may not come in: asyncio then goes on to the next."""
        plain, peer = super().accept()
        whose = network(peer[0])
        why = self.turnstile.enters(whose)
        if why is not None:
            plain.close()
            raise ConnectionAbortedError(why)
        inside = _Inside(fileno=plain.detach())
        inside.leave = lambda: self.turnstile.leaves(whose)
        _bound_unread(inside, self.unread)
        return inside, peer


def _bound_unread(connection: socket.socket, seconds: float) -> None:
    """Whoever asks and does not read the answers must not keep them in our memory."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def network(address: str) -> str:
    """Who owns an address: a host with IPv6 has a /64 of them."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))


def opened(family: int, address: Any, turnstile: Turnstile, backlog: int, unread: float = UNREAD_SECONDS) -> Door:
    """A door that listens at ``address``. Raises OSError that names it."""
    door = Door(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio does
        door.bind(address)
        door.listen(backlog)
        door.setblocking(False)
    except OSError as error:
        door.close()
        raise OSError(error.errno, f"cannot listen at {address[0]} port {address[1]}: {error.strerror}") from error
    door.turnstile, door.unread = turnstile, unread
    return door


def room() -> int:
    """
    How many connections may be open in all, so that files are left for everything else.

    A daemon may give its containers 1024 files; what it allows beyond that is taken.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_IN_ALL + _RESERVE
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MOST_IN_ALL, soft - _RESERVE))

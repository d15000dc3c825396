"""
One order, carried out: the disk is found by its own name, and held while it is done, so that nobody begins to use it.

A node that was fenced while it had the disk mounted may find an old order when it goes on. Were its key registered
again, what its kernel still has to write would reach the disk of the next holder. So of a disk that is in use a key may
be exchanged for another, which the storage refuses where the key is gone; it is never registered from none.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from controller.gate.kernel.device import BY_ID, Device, NotABlockDevice, open_devices
from controller.gate.kernel.subprocesses import in_background
from controller.model import Connection, ConnectKind

OWN_NAMES = ("wwn-", "dm-uuid-mpath-")  # a disk keeps these; others are given in the order in which disks come
IN_USE = "the disk is in use on this node: it is unmounted first"
NOT_OWN = "{!r} is no name that a disk has by itself (wwn-...)"
NOT_HERE = "this node does not see the disk {}: is it logged in to its storage?"


@dataclass(frozen=True, slots=True)
class Word:
    """See `controller.protocol.connecting.orders.Carried`."""

    outcome: Literal["done", "refused", "in-doubt"]
    why: str = ""


class Connector(Protocol):
    """One kind of connection. Both block, and may never come back."""

    def connect(self, what: Connection, *, anew: bool) -> Word:
        """Not ``anew``: only what is connected already is made one of this order; else it is refused."""
        ...

    def disconnect(self, what: Connection) -> Word: ...


class Connecting:
    """The connectors of this node, each order in a thread of its own."""

    def __init__(self, connectors: Mapping[ConnectKind, Connector], by_id: Path = BY_ID) -> None:
        self._connectors = connectors
        self._place = by_id

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(each.value for each in self._connectors))

    def carry_out(self, what: Connection, *, undo: bool) -> asyncio.Future[Word]:
        """Under way from now on, whoever waits."""
        connector = self._connectors[what.kind]
        return in_background(lambda: carried_out(connector, what, undo=undo, by_id=self._place))


def carried_out(connector: Connector, what: Connection, *, undo: bool, by_id: Path = BY_ID) -> Word:
    """Blocks."""
    strange = next((each for each in what.by_id if not each.startswith(OWN_NAMES)), None)
    if strange is not None:
        return Word("refused", NOT_OWN.format(strange))
    try:
        with claimed(what.by_id, by_id) as in_use:
            if undo:
                return Word("refused", IN_USE) if in_use else connector.disconnect(what)
            return connector.connect(what, anew=not in_use)
    except (NotABlockDevice, LookupError) as error:
        return Word("refused", str(error.args[0]))


@contextmanager
def claimed(names: Sequence[str], by_id: Path) -> Iterator[bool]:
    """
    Whether the disk is in use in this kernel: by a file system, or by one who connects it and does not come back. If it
    is not, nobody can begin to use it before this ends. Raises NotABlockDevice, LookupError, OSError.
    """
    found = open_devices(names, by_id)
    try:
        if not found:
            raise LookupError(NOT_HERE.format(" or ".join(names)))
        claim = _claim(found[0])
        try:
            yield claim is None
        finally:
            if claim is not None:
                os.close(claim)
    finally:
        for each in found:
            each.close()


def _claim(device: Device) -> int | None:
    """None: somebody else has it. The path is this disk's as long as the device is open."""
    try:
        return os.open(device.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return None
        raise

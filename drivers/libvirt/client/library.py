"""libvirt's client library, its errors as ours, and connections that notice when the other side is gone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from drivers.libvirt.client.binding import load
from drivers.libvirt.faults import fault_from
from drivers.shared.faults import NotSent

_MISSED = 3  # signs of life, after which a connection is dead


@cache
def library() -> Any:
    """libvirt, with its event loop running in a thread: keep-alive and events need it before the first connection."""
    libvirt = load()
    libvirt.registerErrorHandler(lambda *_: None, None)  # else it prints every error to stderr
    libvirt.virEventRegisterDefaultImpl()

    def turn() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=turn, name="libvirt events", daemon=True).start()
    return libvirt


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """The library's errors as ours."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        raise fault_from(error.get_error_code(), error.get_error_domain(), str(error)) from None


def connect(uri: str, keepalive: int) -> Any:
    """A connection that notices when the other side is gone. Raises NotSent."""
    libvirt = library()
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise NotSent(f"{uri}: no connection: {' '.join(str(error).split())}") from None
    with contextlib.suppress(libvirt.libvirtError):  # a libvirtd of before 0.9.8 has no keep-alive
        connection.setKeepAlive(keepalive, _MISSED)
    return connection


@contextlib.contextmanager
def still_there() -> Iterator[None]:
    """Whatever is inside is skipped for a VM that is gone meanwhile."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != 42:
            raise

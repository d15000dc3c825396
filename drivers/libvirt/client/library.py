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


class Connection:
    """Made when it is used, and made anew when it is lost. ``patience``: seconds to wait for another call's making."""

    def __init__(self, uri: str, keepalive: int, patience: float) -> None:
        self._uri = uri
        self._keepalive = keepalive
        self._patience = patience
        self._now: Any = None
        self._opening = threading.Lock()
        self._closed = False

    def open(self) -> Any:
        """Raises NotSent."""
        if not self._opening.acquire(timeout=self._patience):
            raise NotSent(f"{self._uri}: still connecting")
        try:
            if self._closed:
                raise NotSent(f"{self._uri}: the driver is closed")
            if self._now is None or not self._alive():
                self._now = connect(self._uri, self._keepalive)
            return self._now
        finally:
            self._opening.release()

    def _alive(self) -> bool:
        try:
            return bool(self._now.isAlive() == 1)
        except library().libvirtError:
            return False

    def close(self) -> None:
        self._closed = True
        now, self._now = self._now, None
        if now is not None:
            with contextlib.suppress(library().libvirtError):
                now.close()


@contextlib.contextmanager
def still_there() -> Iterator[None]:
    """Whatever is inside is skipped for a VM that is gone meanwhile."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != 42:
            raise

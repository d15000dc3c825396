"""Which address answers now, and how to give up on a connection that hangs."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Sequence


def first_open(addresses: Sequence[str], port: int, timeout: float) -> str:
    """
    The address that takes a TCP connection on ``port`` first; all are tried at once.

    A dead machine's address answers nothing for seconds: one after the other, it would hold up those that live.
    Raises ConnectionError when none takes it within ``timeout`` seconds.
    """
    with selectors.DefaultSelector() as selector:
        try:
            for address in addresses:
                _begin(selector, address, port)
            return _wait(selector, time.monotonic() + timeout, port)
        finally:
            for key in list(selector.get_map().values()):
                _close(key.fileobj)


def _begin(selector: selectors.BaseSelector, address: str, port: int) -> None:
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    probe.setblocking(False)
    if probe.connect_ex((address, port)) in {0, 115}:  # EINPROGRESS
        selector.register(probe, selectors.EVENT_WRITE, address)
    else:
        probe.close()


def _wait(selector: selectors.BaseSelector, end: float, port: int) -> str:
    while selector.get_map() and (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            if _connected(key.fileobj):
                return str(key.data)
            selector.unregister(key.fileobj)
            _close(key.fileobj)
    raise ConnectionError(f"no node answers on port {port}")


def _connected(probe: object) -> bool:
    return isinstance(probe, socket.socket) and probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def _close(probe: object) -> None:
    if isinstance(probe, socket.socket):
        probe.close()


class Cutter:
    """
    Shuts a connection's socket down when it is not disarmed in time.

    A frozen machine's kernel still acknowledges packets, so no TCP timer ever ends the wait: only this does.
    """

    def __init__(self, step: float = 0.2) -> None:
        self._step = step
        self._lock = threading.Lock()
        self._armed: tuple[int, float] | None = None  # file descriptor, monotonic deadline
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="drill-cutter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def arm(self, descriptor: int, seconds: float) -> None:
        with self._lock:
            self._armed = (descriptor, time.monotonic() + seconds)

    def disarm(self) -> None:
        with self._lock:
            self._armed = None

    def _watch(self) -> None:
        while not self._stop.wait(self._step):
            with self._lock:  # held while cutting: the descriptor cannot be closed and reused meanwhile
                if self._armed is not None and time.monotonic() > self._armed[1]:
                    cut(self._armed[0])
                    self._armed = None


def cut(descriptor: int) -> None:
    """Ends both directions of the connection behind a descriptor that somebody else owns."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        borrowed.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is gone already, which is what was wanted
    finally:
        borrowed.detach()

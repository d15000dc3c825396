"""One connection that waits for what happens to VMs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from controller.model import VmId
from drivers.libvirt.client.library import connect, library, ours
from drivers.shared.faults import CallError


class Watch:
    """One connection for events of VMs. ``poke`` is called in the library's thread."""

    def __init__(self, uri: str, keepalive: int, poke: Callable[[VmId | None], None]) -> None:
        libvirt = library()
        self.lost = threading.Event()
        self._connection = connect(uri, keepalive)
        self._ids: list[int] = []

        def told(_connection: Any, domain: Any, *_: object) -> None:
            poke(VmId(domain.UUIDString().lower()))

        try:
            with ours():
                self._connection.registerCloseCallback(lambda *_: self.lost.set(), None)
                self._ids = [
                    self._connection.domainEventRegisterAny(None, event, told, None)
                    for event in (
                        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,  # a guest's panic (pvpanic) among them
                        libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG,
                        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
                        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                    )
                ]
        except CallError:
            self.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(library().libvirtError):
            for each in self._ids:
                self._connection.domainEventDeregisterAny(each)
            self._connection.unregisterCloseCallback()
        with contextlib.suppress(library().libvirtError):
            self._connection.close()

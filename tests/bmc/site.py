"""BMCs before real virtual machines of the tests' hypervisor, and the settings of each way to ask them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from controller.model import VmId
from tests.bmc.emulators import PASSWORD, USER, Bmcs
from tests.bmc.packages import ensure
from tests.libvirtd.hypervisor import Hypervisor
from tests.libvirtd.site import shared_site


class BmcSite:
    """Made for one test, on the hypervisor that the tests share. VMs are on."""

    def __init__(self, count: int = 2) -> None:
        self._count = count
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        ensure()
        site = shared_site()
        site.reset()
        self.host: Hypervisor = site.hosts[0]
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="reberth-bmc-")))
        self._stack.callback(site.reset)
        self.user_file, self.password_file = self._secret("user", USER), self._secret("password", PASSWORD)
        self.vms = [self.host.define() for _ in range(self._count)]
        for vm in self.vms:
            self.host.start(vm)
        try:
            names = tuple(str(self.host.domain(vm).name()) for vm in self.vms)
            self.bmcs = Bmcs(self.folder, self.host.uri, names)
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(self.bmcs.close)
        self.url, self.port, self.ports = self.bmcs.url, self.bmcs.port, self.bmcs.ports
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ca_file(self) -> str:
        return str(self.bmcs.ca_file)

    def redfish(self, **more: object) -> dict[str, object]:
        """Settings of the driver ``redfish``: one service, which tells the UUIDs of its systems."""
        return self._common() | {"ca_file": self.ca_file, "machines": [{"url": self.url}], **more}

    def ipmi(self, **more: object) -> dict[str, object]:
        machines = [
            {"vm": vm, "address": "127.0.0.1", "port": port} for vm, port in zip(self.vms, self.ports, strict=True)
        ]
        return self._common() | {"machines": machines, **more}

    def fence_redfish(self, **more: object) -> dict[str, object]:
        machines = [{"vm": vm, "options": {"systems_uri": f"/redfish/v1/Systems/{vm}"}} for vm in self.vms]
        # Its own waits of 3 and 5 s are too short for a server of Python on a machine that is busy.
        waits = {"shell_timeout": "20", "login_timeout": "20"}
        options = {"ip": "127.0.0.1", "ipport": str(self.port), "username": USER, **waits}
        return self._fence("fence_redfish", machines, options) | {"ca_file": self.ca_file, **more}

    def fence_ipmilan(self, **more: object) -> dict[str, object]:
        machines = [{"vm": vm, "options": {"ipport": str(port)}} for vm, port in zip(self.vms, self.ports, strict=True)]
        options = {"ip": "127.0.0.1", "username": USER, "lanplus": "1", "power_wait": "0"}
        return self._fence("fence_ipmilan", machines, options) | more

    def _fence(self, agent: str, machines: Sequence[object], options: dict[str, str]) -> dict[str, object]:
        secrets = {"password": self.password_file}
        times = {"deadline": 20.0, "off_deadline": 60.0}  # agents are Python programs, and the machine may be busy
        return {"agent": agent, "machines": machines, "options": options, "secrets": secrets, **times}

    def _common(self) -> dict[str, object]:
        return {"user_file": self.user_file, "password_file": self.password_file, "deadline": 8.0, "watch_every": 0.2}

    def freeze(self) -> None:
        """All BMCs accept connections, and answer nothing."""
        self.bmcs.freeze()

    def thaw(self) -> None:
        self.bmcs.thaw()

    def kill(self) -> None:
        """All BMCs have lost their power."""
        self.bmcs.kill()

    def _secret(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o400)
        return str(path)

    def other_password(self) -> str:
        return self._secret("other", "wrong")


def seen_off(host: Hypervisor, vm: VmId, seconds: float = 30) -> None:
    """By libvirt's own word."""
    deadline = time.monotonic() + seconds
    while host.domain(vm).isActive():
        assert time.monotonic() < deadline, f"{vm} is not off"
        time.sleep(0.05)

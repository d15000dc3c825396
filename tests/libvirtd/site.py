"""Two hypervisor hosts with one shared folder, made once for all tests of a process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.libvirtd.hypervisor import Hypervisor
from tests.libvirtd.packages import ensure


@dataclass(frozen=True)
class Site:
    folder: Path
    hosts: tuple[Hypervisor, Hypervisor]

    @property
    def pool(self) -> Path:
        return self.folder / "pool"

    def settings(self, **more: object) -> dict[str, object]:
        return {"uris": [host.uri for host in self.hosts], **more}

    def reset(self) -> None:
        for host in self.hosts:
            host.reset()


@functools.cache
def shared_site() -> Site:
    ensure()
    folder = Path(tempfile.mkdtemp(prefix="reberth-lv-"))  # short: the path of a socket has at most 107 characters
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    hosts = []
    for name in ("a", "b"):
        host = Hypervisor(folder / name, folder / "pool")
        atexit.register(host.close)  # before the folder is removed: last in, first out
        hosts.append(host)
    return Site(folder, (hosts[0], hosts[1]))

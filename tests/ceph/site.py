"""A Ceph cluster and two hypervisor hosts that reach it, made once for all tests of a process."""

from __future__ import annotations

import atexit
import base64
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ceph.bed import CONTROLLER, HYPERVISOR, POOL, Ceph
from tests.ceph.packages import ensure
from tests.libvirtd.hypervisor import Hypervisor

SECRET = "5c6b8a52-3f0e-4a36-9d0c-7f1f0a1c2e11"  # a name, and no secret: libvirt's UUID of one
VM_USER = "reberth-vms"
_SECRET_XML = f"""
<secret ephemeral='no' private='no'><uuid>{SECRET}</uuid>
  <usage type='ceph'><name>client.{VM_USER} secret</name></usage>
</secret>
"""


@dataclass(frozen=True)
class RbdSite:
    folder: Path
    ceph: Ceph
    hosts: tuple[Hypervisor, Hypervisor]
    keyring: Path

    def settings(self, **more: object) -> dict[str, object]:
        # The machine may be busy.
        return {"uris": [host.uri for host in self.hosts], "look_timeout": 20.0, "rbd": self.rbd(), **more}

    def rbd(self, **more: object) -> dict[str, object]:
        rbd = {"monitors": [self.ceph.monitor], "keyring": str(self.keyring), "secret": SECRET, "pool": POOL}
        return {**rbd, "timeout": 60.0, **more}

    def reset(self) -> None:
        for host in self.hosts:
            host.reset()
        self.ceph.reset()


@functools.cache
def shared_rbd_site() -> RbdSite:
    ensure()
    folder = Path(tempfile.mkdtemp(prefix="reberth-rb-"))  # short: the path of a socket has at most 107 characters
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ceph = Ceph(folder / "ceph")
    atexit.register(ceph.close)
    keyring = ceph.user("reberth", CONTROLLER)
    ceph.user(VM_USER, HYPERVISOR)
    hosts = []
    for name in ("a", "b"):
        host = Hypervisor(folder / name, folder / "pool", own_network=False)  # Ceph is at the machine's own address
        atexit.register(host.close)
        give_key(host.connection, ceph)
        hosts.append(host)
    return RbdSite(folder, ceph, (hosts[0], hosts[1]), keyring)


def give_key(connection: Any, ceph: Ceph) -> None:
    """A host of libvirt gets the hypervisors' key, as bytes; Ceph shows it as base64."""
    connection.secretDefineXML(_SECRET_XML, 0).setValue(base64.b64decode(ceph.key(VM_USER)), 0)

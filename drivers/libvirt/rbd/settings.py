"""What an administrator says about the Ceph cluster, checked before anything is connected."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from drivers.shared.settings import SettingsError

_MONITOR = re.compile(r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$")
_NAME = re.compile(r"^[A-Za-z0-9_.-]+$")
_UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


class RbdSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The section ``[storage.libvirt.rbd]``."""

    monitors: tuple[str, ...]
    """HOST or HOST:PORT of each monitor, as the controllers and the hypervisors reach it."""

    keyring: str
    """File with the key of ``user``, such as /run/secrets/reberth_ceph."""

    secret: str
    """UUID of libvirt's secret with the key of ``vm_user``, the same on each host."""

    pool: str = "reberth"
    """Ceph's pool; it belongs to one swarm. Default reberth."""

    user: str = "reberth"
    """Ceph's user for the controllers, without "client."; default reberth."""

    vm_user: str = "reberth-vms"
    """Ceph's user for the hypervisors; default reberth-vms. Another one: it must not be able to lift a fence."""

    timeout: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 10.0
    """Seconds for one question to Ceph; then it is in doubt; default 10."""

    def check(self) -> None:
        if not self.monitors:
            raise SettingsError("libvirt settings: rbd.monitors is empty: name each monitor of the Ceph cluster")
        for each in self.monitors:
            if not _MONITOR.match(each):
                raise SettingsError(f"libvirt settings: {each!r} in rbd.monitors is no HOST or HOST:PORT")
        for key, value in (("pool", self.pool), ("user", self.user), ("vm_user", self.vm_user)):
            if not _NAME.match(value):
                raise SettingsError(f"libvirt settings: rbd.{key} {value!r} is no name of Ceph's")
        if self.user == self.vm_user:
            raise SettingsError(
                "libvirt settings: rbd.user and rbd.vm_user are the same: a hypervisor could lift its own fence; "
                "make a user of its own for the hypervisors (docs/ceph.md)"
            )
        if not _UUID.match(self.secret):
            raise SettingsError(
                f"libvirt settings: rbd.secret {self.secret!r} is no UUID: it is the one of `virsh secret-list`"
            )


def monitor(text: str) -> tuple[str, str]:
    """Host and port; the port is empty where none is named. An IPv6 address is in brackets."""
    found = _MONITOR.match(text)
    host, port = (found[1], found[2]) if found else (text, None)
    return host.strip("[]"), (port or "").removeprefix(":")

"""What an administrator says about the hypervisors, checked before anything is connected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from drivers.libvirt.rbd.settings import RbdSettings
from drivers.shared import allowed_vms
from drivers.shared.settings import SettingsError

Seconds = Annotated[float, msgspec.Meta(ge=0.5, le=600)]
_URI = re.compile(r"^[a-z]+(\+[a-z0-9]+)?://[^\s]*$")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The section ``[storage.libvirt]``."""

    uris: tuple[str, ...]
    """One libvirt URI for each hypervisor host that may run a node's VM. The first one also makes and deletes disks."""

    pool: str = "reberth"
    """Storage pool of this name on each host, with the same folder: a file in it is one disk."""

    pools: tuple[str, ...] = ()
    """Further ones, for volumes that say one (`pool: NAME` in driver_opts); ``pool`` is for the others."""

    vms: tuple[str, ...] = ()
    """Names of the VMs that may get disks and be switched off, `*` stands for any text, or their UUIDs; default all."""

    format: Literal["qcow2", "raw"] = "qcow2"
    """Of new disks; default qcow2: grows as it is written to, on every file system. Images of Ceph's are raw."""

    rbd: RbdSettings | None = None
    """Disks are RBD images of a Ceph cluster, and no files; ``pool`` here is not used then. See docs/ceph.md"""

    cache: Literal["none", "directsync"] = "none"
    """QEMU's cache mode; default none. Modes with a page cache on the host are not offered: another host would not see
    what is in it."""

    look_timeout: Seconds = 8.0
    """Seconds for reading one host; default 8, less than the loop's read_deadline, so that the reason has our words."""

    call_timeout: Seconds = 45.0
    """Seconds for one change; then it is in doubt; default 45, less than the loop's call_deadline."""

    detach_wait: Seconds = 10.0
    """Seconds until QEMU has let go of a disk; then the detach is in doubt; default 10. It takes 0.1 s."""

    keepalive: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    """Seconds between two signs of life on a connection; three missed ones end it; default 5."""

    @property
    def pool_names(self) -> tuple[str, ...]:
        """The default one first."""
        return (self.pool, *self.pools)

    @property
    def extension(self) -> str:
        return self.format if self.rbd is None else "raw"

    @staticmethod
    def parse(raw: Mapping[str, object]) -> Settings:
        given = dict(raw)
        for name in ("uris", "pools", "vms"):
            if isinstance(given.get(name), str):  # from a variable
                given[name] = str(given[name]).split()
        try:
            settings = msgspec.convert(given, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"libvirt settings: {error}") from None
        settings.check()
        return settings

    def check(self) -> None:
        if not self.uris:
            raise SettingsError('libvirt settings: uris is empty: name each host, such as "qemu+tls://kvm1/system"')
        for uri in self.uris:
            if not _URI.match(uri):
                raise SettingsError(
                    f"libvirt settings: {uri!r} in uris is no libvirt URI: write it like qemu+tls://kvm1/system"
                )
        if len(set(self.uris)) != len(self.uris):
            raise SettingsError("libvirt settings: uris names a host twice: remove one")
        self._check_pools()
        allowed_vms.check(self.vms, "libvirt")
        if self.rbd is not None:
            self.rbd.check()

    def _check_pools(self) -> None:
        if not self.pool.strip():
            raise SettingsError("libvirt settings: pool is empty: name the storage pool, such as reberth")
        if not all(name.strip() for name in self.pools):
            raise SettingsError("libvirt settings: pools has an empty name: remove it")
        if len(set(self.pool_names)) != len(self.pool_names):
            raise SettingsError("libvirt settings: pool and pools name a storage pool twice: name each once")
        if self.pools and self.rbd is not None:
            raise SettingsError(
                "libvirt settings: pools are of files, and with the section rbd there are none: remove it"
            )

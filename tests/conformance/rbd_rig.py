"""The conformance suite's rig on a real Ceph cluster, real libvirt and QEMU: two hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from controller.model import DiskId, VolumeKey
from drivers.libvirt.rbd.names import Names, copy_name
from tests.ceph.bed import POOL
from tests.ceph.site import RbdSite, shared_rbd_site
from tests.conformance.libvirt_rig import LibvirtRig


class RbdRig(LibvirtRig):
    seconds = 60.0  # for one question to Ceph: the machine may be busy
    site: RbdSite  # type: ignore[assignment] # another store behind the same hosts

    async def __aenter__(self) -> Self:
        self.site = await asyncio.to_thread(shared_rbd_site)
        await asyncio.to_thread(self.site.reset)
        self.first, self.second = self.site.hosts
        self.open(self.site.settings(rbd=self.site.rbd(timeout=self.seconds)))
        return self

    def _image(self, disk: DiskId) -> str:
        image = Names(tuple(self.site.ceph.images())).current(disk)
        assert image is not None
        return f"rbd:{POOL}/{image}:conf={self.site.ceph.conf}"

    async def put(self, disk: DiskId, text: bytes) -> None:
        await self._put("raw", self._image(disk), text)

    async def got(self, disk: DiskId, length: int) -> bytes:
        return await self._got("raw", self._image(disk), length)

    async def leave_half(self, key: VolumeKey, source: DiskId) -> None:
        await asyncio.to_thread(self.site.ceph.rbd, "create", "--size", "8M", copy_name(key, "0123"))

    async def remains(self) -> Sequence[str]:
        return [each for each in self.site.ceph.images() if not each.startswith("reberth-")]


class RbdAwayRig(RbdRig):
    """Ceph goes away with the hosts: what is noted there needs no host to be read."""

    seconds = 20.0  # a question to a monitor that does not answer lasts as long

    async def go_away(self) -> None:
        await super().go_away()
        self.site.ceph.freeze("mon")

    async def __aexit__(self, *error: object) -> None:
        self.site.ceph.thaw("mon")
        await super().__aexit__(*error)

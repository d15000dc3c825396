"""Two guests on two hosts, what they say and write, and what Ceph says of who has their disk open."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import datetime

from controller.model import DiskId, Spec, VmId, VolumeKey
from drivers.base import Created
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.rbd.names import Names
from drivers.libvirt.settings import Settings
from tests.ceph.site import RbdSite
from tests.libvirtd.guest import boot
from tests.libvirtd.hypervisor import Hypervisor, until

_BOOTED = 120  # seconds that a guest may take on a busy machine


def driver(site: RbdSite, **more: object) -> LibvirtDriver:
    return LibvirtDriver(Settings.parse(site.settings(**more)))


async def new_disk(ours: LibvirtDriver, name: str = "data") -> DiskId:
    created = await ours.create(VolumeKey(name), Spec(64 * 2**20))
    assert isinstance(created, Created), created
    return created.disk


@dataclass(frozen=True, slots=True)
class Guest:
    """Writes one record after the other to each disk that it gets."""

    host: Hypervisor
    vm: VmId

    async def says(self, pattern: str, times: int = 1) -> None:
        await asyncio.to_thread(
            until,
            lambda: len(re.findall(pattern, self.host.console(self.vm))) >= times,
            f"the guest says {pattern}; it said {self.host.console(self.vm)[-500:]}",
            _BOOTED,
        )

    async def writes(self, more: int = 3) -> None:
        await self.says(f"WROTE \\w+ naa\\.\\w+ {self.written + more}\\b")

    @property
    def written(self) -> int:
        """The number of its last good write."""
        return int(re.findall(r"WROTE \w+ \S+ (\d+)\b", f"WROTE _ _ 0 {self.host.console(self.vm)}")[-1])


async def two_guests(site: RbdSite) -> tuple[Guest, Guest]:
    made = await asyncio.to_thread(boot, site.folder)
    first, second = (Guest(host, host.define(made)) for host in site.hosts)
    for each in (first, second):
        await asyncio.to_thread(each.host.start, each.vm)
    for each in (first, second):
        await each.says("GUEST-UP")
    return first, second


async def records(site: RbdSite, disk: DiskId, *guests: Guest) -> dict[VmId, list[int]]:
    """The numbers of the records that are on the disk, of each of these guests, which are ended first."""
    for each in guests:
        await asyncio.to_thread(each.host.stop, each.vm)
    text = await asyncio.to_thread(_content, site, disk)
    return {each.vm: [int(n) for n in re.findall(f"record of {each.vm} (\\d+) ", text)] for each in guests}


def _content(site: RbdSite, disk: DiskId) -> str:
    file = site.folder / "read.raw"
    site.ceph.rbd("export", "--no-progress", image(site, disk), str(file))
    text = file.read_bytes()[: 2**20].decode(errors="replace")
    file.unlink()
    return text


def image(site: RbdSite, disk: DiskId) -> str:
    found = Names(tuple(site.ceph.images())).current(disk)
    assert found is not None
    return found


def clients(site: RbdSite, disk: DiskId) -> list[str]:
    told = json.loads(site.ceph.rbd("status", "--format", "json", image(site, disk)))
    return [each["address"] for each in told["watchers"]]


def blocklist(site: RbdSite) -> dict[str, datetime]:
    """Address -> end of the entry."""
    entries, _ = json.JSONDecoder().raw_decode(site.ceph.ceph("osd", "blocklist", "ls", "--format", "json").lstrip())
    return {each["addr"]: datetime.fromisoformat(each["until"]) for each in entries}

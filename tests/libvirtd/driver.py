"""What tests of libvirt's driver begin with: its settings, a VM that runs, a disk."""

from __future__ import annotations

from controller.model import DiskId, Spec, VmId, VolumeKey
from drivers.base import Created
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.settings import Settings
from tests.libvirtd.hypervisor import Hypervisor
from tests.libvirtd.site import Site


def settings(site: Site, **more: object) -> Settings:
    return Settings.parse(site.settings(**{"look_timeout": 20.0, **more}))


def running(host: Hypervisor, **more: str) -> VmId:
    vm = host.define(**more)  # type: ignore[arg-type] # strings only here
    host.start(vm)
    return vm


async def new_disk(ours: LibvirtDriver, name: str = "data") -> DiskId:
    created = await ours.create(VolumeKey(name), Spec(2**20))
    assert isinstance(created, Created), created
    return created.disk

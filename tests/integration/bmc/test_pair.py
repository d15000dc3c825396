"""Disks by libvirt and power by Redfish, named in the settings: one story through both drivers on real machines."""

from __future__ import annotations

from controller.model import Epoch, Power, Spec, VolumeKey
from controller.parts import open_storage
from controller.settings import parse
from drivers.base import Created, Done
from tests.bmc.site import BmcSite, seen_off

_TEXT = """
[storage]
driver = "libvirt"
[storage.libvirt]
uris = ["{uri}"]
look_timeout = 20.0
[power]
driver = "redfish"
[power.redfish]
user_file = "{site.user_file}"
password_file = "{site.password_file}"
ca_file = "{site.ca_file}"
deadline = 20.0
machines = [{{ url = "{site.url}" }}]
"""


async def test_a_disk_moves_from_a_machine_that_redfish_switched_off_and_read_as_off() -> None:
    with BmcSite() as site:
        opened = open_storage(parse(_TEXT.format(uri=site.host.uri, site=site), {}))
        drivers = opened.drivers
        assert drivers is not None, opened.problem
        old, new = site.vms
        created = await drivers.storage.create(VolumeKey("data"), Spec(64 << 20))
        assert isinstance(created, Created)
        assert await drivers.storage.attach([created.disk], old, Epoch(1)) == [Done()]

        assert await drivers.power.power_off(old) is Power.OFF
        seen_off(site.host, old, 0)
        assert await drivers.storage.detach([created.disk], old, Epoch(1)) == [Done()]
        assert await drivers.storage.attach([created.disk], new, Epoch(1)) == [Done()]

        held = (await drivers.storage.list_attachments()).attachments
        assert [(each.disk, each.vm) for each in held] == [(created.disk, new)]
        assert await drivers.power.power([old, new]) == {old: Power.OFF, new: Power.ON}
        await drivers.close()

"""VCenter's properties as a VM, on the real types of the vSphere API."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from drivers.vsphere.convert import Controller, Disk, File, Vm
from drivers.vsphere.decode import Kinds, decode_vm

device = vim.vm.device
KINDS = Kinds(device.VirtualDisk, device.VirtualSCSIController, device.ParaVirtualSCSIController)
Backing = device.VirtualDisk.FlatVer2BackingInfo


def decoded(**properties: Any) -> Vm:
    paths = {name.replace("__", "."): value for name, value in properties.items()}
    return decode_vm("vm-1", {"config.uuid": "u", **paths}, KINDS)


def option(key: str, value: str) -> Any:
    return vim.option.OptionValue(key=key, value=value)


def test_what_vcenter_says_is_kept() -> None:
    vm = decoded(
        name="one",
        runtime__powerState="poweredOff",
        runtime__connectionState="connected",
        runtime__host=vim.HostSystem("host-1"),
        config__changeVersion="v",
        datastore=[vim.Datastore("datastore-1")],
    )
    assert vm == Vm("vm-1", "one", "u", "poweredOff", "connected", "host-1", "v", datastores=frozenset({"datastore-1"}))


def test_a_vm_without_a_configuration_is_not_readable() -> None:
    assert not decode_vm("vm-1", {"name": "broken", "runtime.connectionState": "inaccessible"}, KINDS).readable
    assert decoded().readable


def test_only_our_own_keys_are_kept_of_the_advanced_settings_and_the_last_value_counts() -> None:
    """An administrator may write disk.enableUUID; secrets of others in these settings are none of our business."""
    options = [
        option("reberth.epoch", "1"),
        option("guestinfo.password", "x"),
        option("reberth.epoch", "2"),
        option("disk.enableUUID", "true"),
    ]
    assert decoded(config__extraConfig=options).extra == {"reberth.epoch": "2", "disk.enableuuid": "true"}


def test_a_disk_in_a_snapshot_chain_has_all_its_files_top_first() -> None:
    base = Backing(fileName="[DS] reberth/a.vmdk", datastore=vim.Datastore("datastore-1"))
    top = Backing(fileName="[DS] vm/a-000001.vmdk", datastore=vim.Datastore("datastore-2"), parent=base, uuid="u-1")
    disk = device.VirtualDisk(key=2001, controllerKey=1000, unitNumber=3, backing=top)
    assert decoded(config__hardware__device=[disk]).disks == (
        Disk(2001, 1000, 3, (File("datastore-2", "vm/a-000001.vmdk"), File("datastore-1", "reberth/a.vmdk")), "u-1"),
    )


def test_a_disk_without_a_file_is_a_disk_without_files() -> None:
    raw = device.VirtualDisk(key=2001, controllerKey=1000, unitNumber=0)
    assert decoded(config__hardware__device=[raw]).disks == (Disk(2001, 1000, 0, ()),)


def test_everything_on_a_controller_takes_its_unit() -> None:
    devices = [
        device.ParaVirtualSCSIController(key=1000, busNumber=0, controllerKey=100, unitNumber=3),
        device.VirtualLsiLogicController(key=1001, busNumber=1),
        device.VirtualDisk(key=2000, controllerKey=1000, unitNumber=0),
        device.VirtualCdrom(key=3000, controllerKey=1000, unitNumber=5),
        device.VirtualDisk(key=2001, controllerKey=200, unitNumber=1),
    ]
    assert decoded(config__hardware__device=devices).controllers == (
        Controller(1000, 0, paravirtual=True, taken=frozenset({0, 5})),
        Controller(1001, 1, paravirtual=False, taken=frozenset()),
    )

"""VCenter's properties as a VM, on the real types of the vSphere API."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from drivers.vsphere.client.decode import Kinds, decode_vm
from drivers.vsphere.inventory import Controller, Disk, File, Vm

device = vim.vm.device
KEYBOARD = device.VirtualKeyboard(key=600)
KINDS = Kinds(device.VirtualDisk, device.VirtualSCSIController, device.ParaVirtualSCSIController)
Backing = device.VirtualDisk.FlatVer2BackingInfo


def decoded(**properties: Any) -> Vm:
    paths = {name.replace("__", "."): value for name, value in properties.items()}
    whole = {
        "config.uuid": "u",
        "config.changeVersion": "v",
        "config.hardware.device": [KEYBOARD],
    }
    return decode_vm("vm-1", whole | paths, KINDS)


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


def test_a_vm_without_any_device_or_without_a_version_was_not_read() -> None:
    """vCenter shows such while a host loses its power; a real VM has controllers, a keyboard, a video card."""
    assert decoded(config__hardware__device=[]).unread == "an empty device list"
    assert decoded(config__changeVersion=None).unread == "a configuration without a version"


def test_the_flag_for_disk_uuids_is_read() -> None:
    assert decoded(config__flags__diskUuidEnabled=True).disk_uuids
    assert not decoded().disk_uuids


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
    top.diskMode = "independent_persistent"
    disk = device.VirtualDisk(key=2001, controllerKey=1000, unitNumber=3, backing=top, capacityInKB=1024)
    assert decoded(config__hardware__device=[disk]).disks == (
        Disk(
            *(2001, 1000, 3, (File("datastore-2", "vm/a-000001.vmdk"), File("datastore-1", "reberth/a.vmdk")), "u-1"),
            *("[DS] vm/a-000001.vmdk", 1024, "independent_persistent"),
        ),
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


def test_settings_that_were_asked_for_by_name_are_read_as_if_all_had_been() -> None:
    vm = decode_vm("vm-1", {'config.extraConfig["reberth.epoch"]': option("reberth.epoch", "7")}, KINDS)
    assert vm.extra == {"reberth.epoch": "7"}


def test_a_controller_on_a_shared_bus_is_told_apart() -> None:
    kind: Any = device.ParaVirtualSCSIController
    devices = [
        kind(key=1000, busNumber=0, sharedBus="noSharing"),
        kind(key=1001, busNumber=1, sharedBus="physicalSharing"),
        kind(key=1002, busNumber=2, sharedBus="virtualSharing"),
    ]
    assert [each.shared for each in decoded(config__hardware__device=devices).controllers] == [False, True, True]


def test_a_vms_name_is_as_people_see_it() -> None:
    """VCenter writes a slash as %2f: so it would fit no name of the settings, and no host's."""
    assert [decoded(name=name).name for name in ("web%2f1", "a%5Cb", "50%25", "50%252f", "größe %41")] == [
        *("web/1", "a\\b", "50%", "50%2f", "größe %41"),
    ]


def test_a_disk_on_a_controller_that_is_not_scsi_is_known_as_such() -> None:
    """One whose controller is not told may be a usual one."""
    sata, scsi = device.VirtualAHCIController(key=15000, busNumber=0), device.ParaVirtualSCSIController(key=1000)
    disks = [device.VirtualDisk(key=at + 1, controllerKey=at, unitNumber=0) for at in (15000, 1000, 31000)]
    assert [each.scsi for each in decoded(config__hardware__device=[sata, scsi, *disks]).disks] == [False, True, True]

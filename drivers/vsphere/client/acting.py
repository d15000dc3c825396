"""Acting: each returns the ID of the task that does it, but for the folder and the event, which are made at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyVmomi import vim

from drivers.vsphere.client.parts import make_folder_at, ref_of
from drivers.vsphere.client.session import Open
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Disk, Place
from drivers.vsphere.requests import Change

_DISK_TYPES = {"thin": "thin", "zeroed-thick": "preallocated", "eager-zeroed": "eagerZeroedThick"}


def reconfigure(now: Open, change: Change) -> str:
    return ref_of(vim.VirtualMachine(change.ref, now.stub).Reconfigure(_config_spec(change)))


def power_off(now: Open, ref: str) -> str:
    return ref_of(vim.VirtualMachine(ref, now.stub).PowerOff())


def log_event(now: Open, ref: str, text: str) -> None:
    now.content.eventManager.LogUserEvent(vim.VirtualMachine(ref, now.stub), text)


def set_attribute(now: Open, ref: str, name: str, text: str) -> None:
    """A custom attribute of a VM; it is made if no other VM has it yet."""
    manager = now.content.customFieldsManager
    if manager is None:
        raise Fault(Kind.INVALID, "this server has no custom attributes (an ESXi?)")
    # Of VMs, or of all kinds of objects.
    known = [each for each in manager.field or () if each.name == name]
    found = next((each for each in known if each.managedObjectType in {None, vim.VirtualMachine}), None)
    if found is None:
        found = manager.AddFieldDefinition(name, vim.VirtualMachine, None, None)
    manager.SetField(vim.VirtualMachine(ref, now.stub), found.key, text)


def make_folder(now: Open, at: Place) -> None:
    make_folder_at(now.content, f"[{at.name}] {at.folder}", now.datacenter)


def create_disk(now: Open, path: str, size_kib: int, disk_format: str, policy: str | None) -> str:
    profile = [] if policy is None else [vim.vm.DefinedProfileSpec(profileId=policy)]
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        adapterType="lsiLogic", diskType=_DISK_TYPES[disk_format], capacityKb=size_kib, profile=profile
    )
    return ref_of(now.content.virtualDiskManager.CreateVirtualDisk(path, now.datacenter, spec))


def delete_disk(now: Open, path: str) -> str:
    return ref_of(now.content.virtualDiskManager.DeleteVirtualDisk(path, now.datacenter))


def copy_disk(now: Open, source: str, target: str, disk_format: str) -> str:
    """Only ESXi takes a format for the copy: vCenter does not implement that, and decides by itself."""
    spec = None
    if now.content.about.apiType == "HostAgent":
        spec = vim.VirtualDiskManager.VirtualDiskSpec(adapterType="lsiLogic", diskType=_DISK_TYPES[disk_format])
    manager, datacenter = now.content.virtualDiskManager, now.datacenter
    return ref_of(manager.CopyVirtualDisk(source, datacenter, target, datacenter, spec, False))


def move_disk(now: Open, source: str, target: str) -> str:
    """Never over another file."""
    manager, datacenter = now.content.virtualDiskManager, now.datacenter
    return ref_of(manager.MoveVirtualDisk(source, datacenter, target, datacenter, False))


def set_disk_uuid(now: Open, path: str, uuid: str) -> None:
    now.content.virtualDiskManager.SetVirtualDiskUuid(path, now.datacenter, uuid)


def search_disk(now: Open, at: Place, pattern: str) -> str:
    """Starts the search for disks in our folder by file name (``*`` for anything): see `TaskState.found`."""
    browser = vim.host.DatastoreBrowser
    details = browser.VmDiskQuery.Details(diskType=True, capacityKb=True, hardwareVersion=False)
    spec = browser.SearchSpec(
        query=[browser.VmDiskQuery(details=details)],
        details=browser.FileInfo.Details(fileType=True, fileSize=True, modification=False, fileOwner=False),
        matchPattern=[pattern],
    )
    return ref_of(browser_of(now, at).Search(f"[{at.name}] {at.folder}", spec))


def browser_of(now: Open, at: Place) -> Any:
    return vim.Datastore(at.datastore, now.stub).browser


def _whole(disk: Disk) -> Any:
    """The device as it was read: servers accept less of it, but promise that for no version."""
    device = vim.vm.device
    store = disk.files[0].datastore if disk.files else ""
    backing = device.VirtualDisk.FlatVer2BackingInfo(
        fileName=disk.name,
        diskMode=disk.mode or "independent_persistent",
        uuid=disk.uuid,
        datastore=vim.Datastore(store) if store.startswith("datastore-") else None,
    )
    return device.VirtualDisk(
        key=disk.key,
        controllerKey=disk.controller,
        unitNumber=disk.unit,
        capacityInKB=disk.capacity_kib,
        backing=backing,
    )


def _config_spec(change: Change) -> vim.vm.ConfigSpec:
    device = vim.vm.device
    # No fileOperation: the file stays.
    changes = [device.VirtualDeviceSpec(operation="remove", device=_whole(disk)) for disk in change.remove]
    given = vim.vm.DefinedProfileSpec(profileId=change.policy)
    changes += [
        device.VirtualDeviceSpec(operation="edit", device=_whole(disk), profile=[given]) for disk in change.policed
    ]
    changes += [
        device.VirtualDeviceSpec(operation="edit", device=_whole(replace(disk, capacity_kib=size)))
        for disk, size in change.grown
    ]
    for index, (path, controller, unit) in enumerate(change.add):
        # Independent: a snapshot of the VM must neither hold the disk fast nor roll it back.
        backing = device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="independent_persistent")
        added_disk = device.VirtualDisk(key=-101 - index, controllerKey=controller, unitNumber=unit, backing=backing)
        changes.append(device.VirtualDeviceSpec(operation="add", device=added_disk))
    for bus in change.controllers:
        added = device.ParaVirtualSCSIController(key=-1 - bus, busNumber=bus, sharedBus="noSharing")
        changes.append(device.VirtualDeviceSpec(operation="add", device=added))
    return vim.vm.ConfigSpec(
        changeVersion=change.version or None,
        extraConfig=[vim.option.OptionValue(key=key, value=value) for key, value in change.extra],
        deviceChange=changes,
    )

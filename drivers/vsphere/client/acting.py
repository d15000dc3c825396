"""Acting: each returns the ID of the task that does it, but for the folder and the policy, which are done at once."""

from __future__ import annotations

from typing import Any

from pyVmomi import pbm, vim

from drivers.vsphere.client.parts import make_folder_at, ref_of
from drivers.vsphere.client.session import Open
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.requests import Change

_DISK_TYPES = {"thin": "thin", "zeroed-thick": "preallocated", "eager-zeroed": "eagerZeroedThick"}


def reconfigure(now: Open, change: Change) -> str:
    return ref_of(vim.VirtualMachine(change.ref, now.stub).Reconfigure(_config_spec(change)))


def power_off(now: Open, ref: str) -> str:
    return ref_of(vim.VirtualMachine(ref, now.stub).PowerOff())


def make_folder(now: Open) -> None:
    make_folder_at(now.content, f"[{now.place.name}] {now.place.folder}", now.datacenter)


def policy_id(now: Open, name: str) -> str:
    """The ID of a storage policy. vCenter only; its policy service takes the session of the main one."""
    service: Any = pbm.ServiceInstance("ServiceInstance", now.stub.sibling("/pbm", "pbm.version.v7_0"))
    manager = service.RetrieveContent().profileManager
    kind = pbm.profile.ResourceType(resourceType="STORAGE")
    ids = manager.QueryProfile(kind, "REQUIREMENT")
    found = [each for each in manager.RetrieveContent(ids) if each.name == name] if ids else []
    if len(found) != 1:
        raise Fault(Kind.NOT_FOUND, f"there is no storage policy {name}, or the user may not see it")
    return str(found[0].profileId.uniqueId)


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


def search_disk(now: Open, pattern: str) -> str:
    """Starts the search for disks in our folder by file name (``*`` for anything): see `TaskState.found`."""
    browser = vim.host.DatastoreBrowser
    details = browser.VmDiskQuery.Details(diskType=True, capacityKb=True, hardwareVersion=False)
    spec = browser.SearchSpec(
        query=[browser.VmDiskQuery(details=details)],
        details=browser.FileInfo.Details(fileType=True, fileSize=True, modification=False, fileOwner=False),
        matchPattern=[pattern],
    )
    return ref_of(now.datastore.browser.Search(f"[{now.place.name}] {now.place.folder}", spec))


def _config_spec(change: Change) -> vim.vm.ConfigSpec:
    device = vim.vm.device
    changes = [
        device.VirtualDeviceSpec(operation="remove", device=device.VirtualDisk(key=key)) for key in change.remove
    ]
    for index, (path, controller, unit) in enumerate(change.add):
        # Independent: a snapshot of the VM must neither hold the disk fast nor roll it back.
        backing = device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="independent_persistent")
        disk = device.VirtualDisk(key=-101 - index, controllerKey=controller, unitNumber=unit, backing=backing)
        changes.append(device.VirtualDeviceSpec(operation="add", device=disk))
    for bus in change.controllers:
        added = device.ParaVirtualSCSIController(key=-1 - bus, busNumber=bus, sharedBus="noSharing")
        changes.append(device.VirtualDeviceSpec(operation="add", device=added))
    return vim.vm.ConfigSpec(
        changeVersion=change.version or None,
        extraConfig=[vim.option.OptionValue(key=key, value=value) for key, value in change.extra],
        deviceChange=changes,
    )

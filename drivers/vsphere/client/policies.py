"""Storage policies. vCenter only; its policy service takes the session of the main one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import pbm, vmodl

from drivers.vsphere.client.session import Open
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Disk

_ENCRYPTION = "vmwarevmcrypt"
_SERVICE = "com.vmware.storageprofile.dataservice"


def policy_id(now: Open, name: str) -> str:
    """The ID of a storage policy, by its name."""
    manager = _manager(now)
    kind = pbm.profile.ResourceType(resourceType="STORAGE")
    ids = manager.QueryProfile(kind, "REQUIREMENT")
    found = [each for each in manager.RetrieveContent(ids) if each.name == name] if ids else []
    if len(found) != 1:
        raise Fault(Kind.NOT_FOUND, f"there is no storage policy {name}, or the user may not see it")
    if _encrypts(manager, found[0]):
        raise Fault(
            Kind.INVALID,
            f"the storage policy {name} encrypts (or names a service that cannot be read and may): the driver gives no "
            "keys with a disk: take another policy",
        )
    return str(found[0].profileId.uniqueId)


def without_policy(now: Open, ref: str, disks: Sequence[Disk], policy: str) -> tuple[Disk, ...]:
    """Those attached disks of a VM for which the policy service does not show this policy."""
    manager = _manager(now)
    lacking = []
    for disk in disks:
        entity = pbm.ServerObjectRef(objectType="virtualDiskId", key=f"{ref}:{disk.key}")
        if policy not in {each.uniqueId for each in manager.QueryAssociatedProfile(entity) or ()}:
            lacking.append(disk)
    return tuple(lacking)


def _manager(now: Open) -> Any:
    service: Any = pbm.ServiceInstance("ServiceInstance", now.stub.sibling("/pbm", "pbm.version.v7_0"))
    return service.RetrieveContent().profileManager


def _encrypts(manager: Any, profile: Any) -> bool:
    """By itself, or by a host's data service that it refers to."""
    found = _capabilities(profile)
    services = [each.id for namespace, each in found if namespace == _SERVICE]
    if not services:
        return any(namespace == _ENCRYPTION for namespace, _ in found)
    try:
        named = manager.RetrieveContent([pbm.profile.ProfileId(uniqueId=each.id) for each in services])
    except vmodl.MethodFault:
        return True
    return len(named) < len(services) or any(
        namespace == _ENCRYPTION for each in named for namespace, _ in (*found, *_capabilities(each))
    )


def _capabilities(profile: Any) -> list[tuple[str, Any]]:
    parts = getattr(getattr(profile, "constraints", None), "subProfiles", None) or ()
    return [(str(each.id.namespace).lower(), each) for part in parts for each in part.capability]

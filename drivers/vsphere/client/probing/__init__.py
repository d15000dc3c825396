"""What only a probe asks: the product, the datastore's kind, privileges, and snapshots of a test VM."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from drivers.vsphere.client.parts import ref_of, shows_ids
from drivers.vsphere.client.session import Open

SNAPSHOT = "reberth-probe"
PRIVILEGES = (
    *("VirtualMachine.Config.AddExistingDisk", "VirtualMachine.Config.RemoveDisk"),
    *("VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.AddRemoveDevice"),
    "VirtualMachine.Interact.PowerOff",
)
ON_DATASTORE = ("Datastore.Browse", "Datastore.AllocateSpace", "Datastore.FileManagement")


def product(now: Open) -> str:
    about = now.content.about
    return f"{about.name} {about.version} build {about.build}, API {about.apiVersion}, {about.apiType}"


def datastore(now: Open) -> str:
    """What the driver decides by, as one line."""
    found: Any = now.datastore
    summary, mounts = found.summary, found.host or ()
    reach = sum(1 for each in mounts if each.mountInfo.accessible is not False and each.mountInfo.mounted is not False)
    writing = sum(1 for each in mounts if each.mountInfo.accessMode == "readWrite")
    parts = {
        "type": summary.type,
        "shared": summary.multipleHostAccess,
        "topLevelDirectoryCreateSupported": found.capability.topLevelDirectoryCreateSupported,
        "folder is shown under an ID": shows_ids(found),
        "that ID is known": bool(now.place.aliases),
        "url begins with": str(summary.url or "").partition("://")[0],
        "in a datastore cluster": isinstance(found.parent, vim.StoragePod),
        "hosts": len(mounts),
        "hosts that reach it": reach,
        "hosts that may write": writing,
        "free GiB": None if summary.freeSpace is None else int(summary.freeSpace) >> 30,
    }
    return ", ".join(f"{name}: {value}" for name, value in parts.items())


def reads_by_key(now: Open) -> bool | None:
    """Whether single advanced settings are answered for; None before the first look."""
    return now.memo.keyed


def lacking(now: Open, vm: str | None) -> list[str]:
    """Privileges that the user lacks on this VM and on the datastore."""
    manager, user = now.content.authorizationManager, now.content.sessionManager.currentSession.userName
    wanted = [(vim.VirtualMachine(vm, now.stub), PRIVILEGES)] if vm is not None else []
    found = []
    for entity, names in (*wanted, (now.datastore, ON_DATASTORE)):
        for each in manager.HasUserPrivilegeOnEntities([entity], user, list(names)):
            found += [some.privId for some in each.privAvailability if not some.isGranted]
    return found


def make_snapshot(now: Open, ref: str) -> str:
    """Without memory, and without asking the guest."""
    return ref_of(vim.VirtualMachine(ref, now.stub).CreateSnapshot(SNAPSHOT, "", False, False))


def remove_snapshot(now: Open, ref: str) -> str | None:
    """The probe's own; None if there is none."""
    snapshot: Any = vim.VirtualMachine(ref, now.stub).snapshot
    for each in snapshot.rootSnapshotList if snapshot is not None else ():
        if each.name == SNAPSHOT:
            return ref_of(each.snapshot.Remove(False, True))
    return None

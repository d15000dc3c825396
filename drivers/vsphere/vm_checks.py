"""What about a node's VM will hurt some day, one sentence each, with the cure. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.model import DiskId, VmId
from drivers.shared.allowed_vms import foreign
from drivers.vsphere.inventory import Place, Vm, find, names, odd, ours, shows_uuids
from drivers.vsphere.obstacles import Obstacles, sentences


def concerns(
    vms: Sequence[Vm],
    place: Place,
    wanted: VmId,
    hostname: str,
    obstacles: Mapping[str, Obstacles],
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """``obstacles`` by managed object ID. ``allowed``: see :func:`foreign`."""
    strange, vm = foreign(allowed, wanted, names(vms, wanted)), find(vms, wanted)
    found = [] if strange is None else [f"{strange.why}. {strange.cure}"]
    if isinstance(vm, str):
        return (*found, vm)
    found += odd([vm], place).values()
    found += [unfound(disk, vm.name) for disk, device in ours(vm, place).items() if not device.scsi]
    if not vm.readable:
        found.append(f"vCenter cannot read the configuration of {vm.name} ({vm.unread})")
    if not _same(vm.name, hostname):
        found.append(
            f"the VM with the SMBIOS UUID of node {hostname} is called {vm.name} in vCenter: if that is another "
            "machine, give one of them a new uuid.bios; else rename the VM"
        )
    if not shows_uuids(vm):
        found.append(
            f"{vm.name} does not show its disks' UUIDs, so no disk can be attached to it: set disk.EnableUUID = TRUE "
            "in its advanced settings while it is off"
        )
    return (*found, *sentences(vm.name, obstacles.get(vm.ref, Obstacles())))


def unfound(disk: DiskId, vm: str) -> str:
    return (
        f"{disk} is on a controller of {vm} that is not SCSI (NVMe, SATA or IDE), as somebody's hand has put it there: "
        "no node finds it there by its UUID. Remove it from the VM (not its file): it comes back where it belongs"
    )


def _same(name: str, hostname: str) -> bool:
    """Whether they may be meant for the same machine: in either, the domain may be left out."""
    one, two = name.casefold(), hostname.casefold()
    return one == two or (("." in one) != ("." in two) and one.partition(".")[0] == two.partition(".")[0])

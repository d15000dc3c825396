"""
Records that were removed behind our back, by a clean-up with force: what is seen says that there was one. Pure.

A record goes last when a volume is removed: after its gate has unmounted it, and its disk was deleted. So a mount
without a record, on a VM that has a disk without one, is no removal. A gate's word alone may be old.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.model import DiskId, GateView, MountState, VmId, VolumeName, World
from controller.volumes.naming import life_prefix, volume_key


def vanished(world: World) -> tuple[str, ...]:
    """One sentence for each volume that a gate has mounted and no record knows, with the way back."""
    if world.volumes is None:
        return ()
    found = (
        (name, gate.vm, _disks(world, name, gate.vm)) for gate in world.gates.values() for name in _lost(world, gate)
    )
    return tuple(_told(name, vm, disks) for name, vm, disks in found if disks)


def _lost(world: World, gate: GateView) -> Iterator[VolumeName]:
    known = world.volumes or {}
    unknown = [name for name, said in gate.volumes.items() if name not in known and said.state is MountState.MOUNTED]
    for name in sorted(unknown):
        if volume_key(name) not in world.unreadable:
            yield name


def _disks(world: World, name: VolumeName, vm: VmId) -> list[DiskId]:
    """Which it may be, of those on the VM that no record knows."""
    own = {record.disk for record in (world.volumes or {}).values()}
    disks = [each.disk for each in world.attachments or () if each.vm == vm and each.disk not in own]
    return [disk for disk in disks if life_prefix(volume_key(name)) in disk] or disks


def _told(name: VolumeName, vm: VmId, disks: list[DiskId]) -> str:
    return (
        f"volume {name} is mounted on VM {vm} and has no record any more: somebody removed its config. Its container "
        f"runs on, and its disk is {' or '.join(disks)}. Take it back with `reberth adopt {name} --disk KEY --size "
        "SIZE`, where KEY is the disk's name without folder and extension"
    )

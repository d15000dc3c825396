"""What about a node's VM will hurt some day, one sentence each, with the cure. Pure."""

from __future__ import annotations

from controller.model import VmId
from drivers.libvirt.decide import Look
from drivers.libvirt.inventory import Seat
from drivers.libvirt.looking.moved import moved, said, strays
from drivers.libvirt.looking.pools import Pools
from drivers.libvirt.standing import Standing


def concerns(look: Look, vm: VmId) -> tuple[str, ...]:
    seats = look.of(vm)
    if not seats:
        return () if look.lost else (f"no host of uris knows the VM {vm}: add its host, or this node has no storage",)
    found = [sentence for seat in seats for sentence in _about(seat, look.pools, alone=len(seats) == 1)]
    live = next((seat for seat in seats if seat.live is not None), None)
    found += said(moved(strays(seats), look.astray)).values()
    if live is not None:
        found += [f"VM {live.name} can get {why}" for why in look.pools.concerns(live.host)]
    return tuple(found)


def _about(seat: Seat, pools: Pools, *, alone: bool) -> list[str]:
    found = [seat.unread] if seat.unread else []
    if seat.standing not in {Standing.RUNS, Standing.OFF}:
        found.append(f"VM {seat.name} {seat.standing.value}")
    if not alone and seat.live is None:
        found.append(
            f"VM {seat.name} has a configuration on a second host, where it does not run: `virsh undefine` it there"
        )
    if seat.live is not None and seat.kept is None:
        found.append(f"VM {seat.name} has no persistent configuration: `virsh define` it, else it is gone when it ends")
    if seat.live is not None and seat.live.controller is None:
        found.append(f"VM {seat.name} has no virtio-scsi controller, so no disk can be attached to it: `virsh edit`")
    return found + _loose(seat, pools)


def _loose(seat: Seat, pools: Pools) -> list[str]:
    """Disks of ours that somebody attached by hand so that they may be lost."""
    held = sorted(seat.holds(pools).items())
    return [
        f"{disk} on VM {seat.name} is shareable, so nothing locks it: detach it (`virsh detach-disk`) and let Reberth "
        "attach it"
        for disk, devices in held
        if any(each.shareable for each in devices)
    ] + [
        f"{disk} on VM {seat.name} is transient, so all that is written is thrown away when the VM ends: copy the data "
        "away first, then detach it and let Reberth attach it"
        for disk, devices in held
        if any(each.transient for each in devices)
    ]

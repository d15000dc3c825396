"""What one look says about a change: who may have what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.model import Attachment, DiskId, Epoch, Power, VmId
from drivers.base import Done, Outcome, Refused
from drivers.libvirt.domain import HeldDisk, Pool, Seat

POOL_KINDS = ("dir", "fs", "netfs")


@dataclass(frozen=True, slots=True)
class Look:
    """All hosts at about the same time; there is no look at a part of them."""

    pool: Pool
    seats: tuple[Seat, ...]

    def of(self, vm: VmId) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.vm == vm)

    def stamp(self, vm: VmId) -> Epoch | None:
        return max((seat.stamp for seat in self.of(vm) if seat.stamp is not None), default=None)


def joined(pools: Mapping[str, Pool], seats: Sequence[Seat]) -> Look | str:
    """``pools`` by host. Or why these hosts cannot be one storage system."""
    first_uri, first = next(iter(pools.items()))
    if first.kind not in POOL_KINDS:
        return (
            f"the pool {first.name} on {first_uri} is of type {first.kind}: QEMU's lock, on which exclusivity rests, "
            f"works on files only; use a pool of type {', '.join(POOL_KINDS)}"
        )
    for uri, pool in pools.items():
        if (pool.path, pool.kind in POOL_KINDS) != (first.path, True):
            return (
                f"the pool {pool.name} is {pool.path} ({pool.kind}) on {uri} and {first.path} ({first.kind}) on "
                f"{first_uri}: it must be the same shared folder, at the same path, on all hosts"
            )
    return Look(first, tuple(seats))


def attachments(look: Look) -> list[Attachment]:
    found = {(disk, seat.vm) for seat in look.seats for disk in seat.holds(look.pool)}
    return [Attachment(disk, vm, epoch=look.stamp(vm)) for disk, vm in sorted(found)]


def powers(running: Sequence[Mapping[VmId, bool] | None], vms: Sequence[VmId]) -> dict[VmId, Power]:
    """
    ``None`` for a host that does not answer.

    A VM that moved leaves its configuration behind, switched off: so OFF needs all hosts.
    """
    states = {}
    for vm in vms:
        seen = [host[vm] for host in running if host is not None and vm in host]
        if any(seen):
            states[vm] = Power.ON
        else:
            states[vm] = Power.OFF if seen and None not in running else Power.UNKNOWN
    return states


def guard(seats: Sequence[Seat], vm: VmId, epoch: Epoch) -> str | None:
    """Why this VM must not be changed under this epoch."""
    if not seats:
        return f"there is no VM {vm} on any host of uris: add its host, or see whether the node's VM was moved away"
    stamped = max((seat.stamp for seat in seats if seat.stamp is not None), default=None)
    if stamped is not None and stamped > epoch:
        return (
            f"VM {seats[0].name} was changed under epoch {stamped}, this call has {epoch}: another controller has "
            'taken over (or the swarm was made anew: see "a swarm made anew" in docs/libvirt.md)'
        )
    if sum(seat.live is not None for seat in seats) > 1:
        return f"VM {seats[0].name} is on several hosts just now: it is moving; try again when it has arrived"
    return None


@dataclass(frozen=True, slots=True)
class Step:
    """Outcomes that are known already, and the disks for which something must be done, on which seats."""

    known: dict[DiskId, Outcome]
    todo: tuple[DiskId, ...] = ()
    seats: tuple[Seat, ...] = ()


def to_attach(look: Look, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Step:
    seats = look.of(vm)
    why = guard(seats, vm, epoch) or _cannot_attach(seats)
    here = {disk for seat in seats for disk in seat.holds(look.pool)}
    known, todo = dict[DiskId, Outcome](), list[DiskId]()
    for disk in dict.fromkeys(disks):
        others = sorted({s.name for s in look.seats if s.vm != vm and disk in s.holds(look.pool)})
        refusal = guard(seats, vm, epoch) if disk in here else why
        refusal = refusal or look.pool.refusal(disk)
        if refusal is None and others:
            refusal = f"{disk} is attached to {', '.join(others)}"
        if refusal is not None:
            known[disk] = Refused(refusal)
        elif disk in here:
            known[disk] = Done()
        else:
            todo.append(disk)
    running = tuple(seat for seat in seats if seat.live is not None) or seats[:1]
    stale = any(isinstance(each, Done) for each in known.values()) and look.stamp(vm) != epoch
    return Step(known, tuple(todo), running if todo or stale else ())


def _cannot_attach(seats: Sequence[Seat]) -> str | None:
    live = next((seat for seat in seats if seat.live is not None), None)
    if live is None:
        # QEMU's lock is taken when the disk is opened: a VM that is off would hold a disk that nothing guards.
        return f"VM {seats[0].name} is off: a disk is attached to a VM that runs only"
    if live.live is None or live.live.controller is None:
        return (
            f"VM {live.name} has no virtio-scsi controller: add <controller type='scsi' model='virtio-scsi'/> to its "
            "configuration (`virsh edit`) and switch it off and on"
        )
    return None


def to_detach(look: Look, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Step:
    seats = look.of(vm)
    why = guard(seats, vm, epoch)
    known, todo = dict[DiskId, Outcome](), list[DiskId]()
    for disk in dict.fromkeys(disks):
        devices = [device for seat in seats for device in seat.holds(look.pool).get(disk, ())]
        if (refusal := why or look.pool.refusal(disk) or covered(disk, devices)) is not None:
            known[disk] = Refused(refusal)
        elif not devices:
            known[disk] = Done()
        else:
            todo.append(disk)
    with_disks = tuple(seat for seat in seats if set(todo) & set(seat.holds(look.pool)))
    return Step(known, tuple(todo), with_disks)


def covered(disk: DiskId, devices: Sequence[HeldDisk]) -> str | None:
    """Its newest data is in another file then, which would stay behind."""
    over = [device.files[0] for device in devices if device.files and device.files[0] != disk]
    if not over:
        return None
    return f"{disk} is under the snapshot {over[0]}: merge it first (`virsh blockcommit --active --pivot`)"

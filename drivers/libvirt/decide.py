"""What one look says about a change: who may have what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.model import Attachment, DiskId, Epoch, VmId
from drivers.base import Done, Listing, Outcome, Refused
from drivers.libvirt.inventory import CEPH, HeldDisk, HostView, Pool, Seat
from drivers.libvirt.standing import KEEPS_MEMORY, Standing

POOL_KINDS = ("dir", "fs", "netfs")
_SHARED = {*POOL_KINDS, CEPH}


@dataclass(frozen=True, slots=True)
class Look:
    """All hosts that answer, at about the same time. ``lost``: why the others could not be read."""

    pool: Pool
    seats: tuple[Seat, ...]
    lost: tuple[str, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """Parts on which nobody knows which disks there are."""
        return (*self.lost, *(seat.unread for seat in self.seats if seat.unread))

    def of(self, vm: VmId) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.vm == vm)

    def devices(self, disk: DiskId, vm: VmId) -> list[HeldDisk]:
        """A disk on a VM, once for each configuration that has it."""
        return [device for seat in self.of(vm) for device in seat.holds(self.pool).get(disk, ())]

    def stamp(self, vm: VmId) -> Epoch | None:
        return max((seat.stamp for seat in self.of(vm) if seat.stamp is not None), default=None)


def joined(views: Sequence[HostView], lost: Sequence[str] = ()) -> Look | str:
    """Or why these hosts cannot be one storage system."""
    first_uri, first = views[0].uri, views[0].pool
    if first.kind not in _SHARED:
        return (
            f"the pool {first.name} on {first_uri} is of type {first.kind}: QEMU's lock, on which exclusivity rests, "
            f"works on files only; use a pool of type {', '.join(POOL_KINDS)}, or Ceph without a pool of libvirt's "
            "(the section [storage.libvirt.rbd], docs/ceph.md)"
        )
    for uri, pool in ((view.uri, view.pool) for view in views):
        if (pool.path, pool.kind in _SHARED) != (first.path, True):
            return (
                f"the pool {pool.name} is {pool.path} ({pool.kind}) on {uri} and {first.path} ({first.kind}) on "
                f"{first_uri}: it must be the same shared folder, at the same path, on all hosts"
            )
    return Look(first, tuple(seat for view in views for seat in view.seats), tuple(lost))


def attachments(look: Look) -> list[Attachment]:
    found = {(disk, seat.vm) for seat in look.seats for disk in seat.holds(look.pool)}
    return [Attachment(disk, vm, epoch=look.stamp(vm)) for disk, vm in sorted(found)]


def listing(look: Look) -> Listing:
    """A VM that does not run here may run on a host that does not answer, with other disks."""
    blind = {seat.vm for seat in look.seats if seat.unread}
    seen = {seat.vm for seat in look.seats if seat.live is not None or not look.lost}
    return Listing(tuple(attachments(look)), frozenset(seen - blind), look.unread)


def guard(look: Look, vm: VmId, epoch: Epoch) -> str | None:
    """Why this VM must not be changed under this epoch."""
    seats = look.of(vm)
    if (why := _unread(look, seats)) is not None:
        return why
    if not seats:
        return f"there is no VM {vm} on any host of uris: add its host, or see whether the node's VM was moved away"
    return changeable(seats, epoch)


def changeable(seats: Sequence[Seat], epoch: Epoch) -> str | None:
    """Why not, by what these seats of one VM say alone."""
    stamped = max((seat.stamp for seat in seats if seat.stamp is not None), default=None)
    if stamped is not None and stamped > epoch:
        return (
            f"VM {seats[0].name} was changed under epoch {stamped}, this call has {epoch}: another controller has "
            'taken over (or the swarm was made anew: see "a swarm made anew" in docs/libvirt.md)'
        )
    if sum(seat.live is not None for seat in seats) > 1:
        return f"VM {seats[0].name} is on several hosts just now: it is moving; try again when it has arrived"
    return None


def _unread(look: Look, seats: Sequence[Seat]) -> str | None:
    blind = next((seat.unread for seat in seats if seat.unread), None)
    if blind is not None or not look.lost or any(seat.live is not None for seat in seats):
        return blind
    return f"the VM runs on no host that answers, and may run on another one: {'; '.join(look.lost)}"


@dataclass(frozen=True, slots=True)
class Step:
    """Outcomes that are known already, and the disks for which something must be done, on which seats."""

    known: dict[DiskId, Outcome]
    todo: tuple[DiskId, ...] = ()
    seats: tuple[Seat, ...] = ()


def to_attach(look: Look, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Step:
    seats = look.of(vm)
    here = {disk for seat in seats for disk in seat.holds(look.pool)}
    judged = {disk: _judged(look, disk, vm, epoch, there=disk in here) for disk in dict.fromkeys(disks)}
    known, todo = _split(judged)
    if not todo and (Done() not in known.values() or look.stamp(vm) == epoch):
        return Step(known)
    return Step(known, todo, _running(seats))


def _judged(look: Look, disk: DiskId, vm: VmId, epoch: Epoch, *, there: bool) -> Outcome | None:
    """None: it has to be attached. ``there``: this VM has it."""
    seats = look.of(vm)
    why = guard(look, vm, epoch) or look.pool.refusal(disk) or _elsewhere(look, disk, vm)
    if why is None and not there:
        why = _cannot_attach(seats)
    if why is not None:
        return Refused(why)
    return Done() if there else None


def _split(judged: Mapping[DiskId, Outcome | None]) -> tuple[dict[DiskId, Outcome], tuple[DiskId, ...]]:
    known = {disk: outcome for disk, outcome in judged.items() if outcome is not None}
    return known, tuple(disk for disk in judged if disk not in known)


def _running(seats: Sequence[Seat]) -> tuple[Seat, ...]:
    return tuple(seat for seat in seats if seat.live is not None) or tuple(seats[:1])


def _elsewhere(look: Look, disk: DiskId, vm: VmId) -> str | None:
    others = sorted({seat.name for seat in look.seats if seat.vm != vm and disk in seat.holds(look.pool)})
    return f"{disk} is attached to {', '.join(others)}" if others else None


def _cannot_attach(seats: Sequence[Seat]) -> str | None:
    live = next((seat for seat in seats if seat.live is not None), None)
    if live is None:
        # QEMU's lock is taken when the disk is opened: a VM that is off would hold a disk that nothing guards.
        return f"a disk is attached to a VM that runs only, and VM {seats[0].name} {seats[0].standing.value}"
    if live.live is None or live.live.controller is None:
        return (
            f"VM {live.name} has no virtio-scsi controller: add <controller type='scsi' model='virtio-scsi'/> to its "
            "configuration (`virsh edit`) and switch it off and on"
        )
    return None


def to_detach(look: Look, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Step:
    seats = look.of(vm)
    why = guard(look, vm, epoch) or stays(seats)
    known, todo = dict[DiskId, Outcome](), list[DiskId]()
    for disk in dict.fromkeys(disks):
        devices = look.devices(disk, vm)
        if (refusal := why or look.pool.refusal(disk) or covered(disk, devices)) is not None:
            known[disk] = Refused(refusal)
        elif not devices:
            known[disk] = Done()
        else:
            todo.append(disk)
    with_disks = tuple(seat for seat in seats if set(todo) & set(seat.holds(look.pool)))
    return Step(known, tuple(todo), with_disks)


def stays(seats: Sequence[Seat]) -> str | None:
    """Why what is taken from its configuration is not taken from the VM."""
    odd = next((seat for seat in seats if seat.standing in {*KEEPS_MEMORY, Standing.MIGRATED}), None)
    if odd is None or any(seat.live is not None for seat in seats):
        return None
    return f"VM {odd.name} {odd.standing.value}; its disks stay with it until then"


def covered(disk: DiskId, devices: Sequence[HeldDisk]) -> str | None:
    """Its newest data is in another file then, which would stay behind."""
    over = [device.files[0] for device in devices if device.files and device.files[0] != disk]
    if not over:
        return None
    return f"{disk} is under the snapshot {over[0]}: merge it first (`virsh blockcommit --active --pivot`)"

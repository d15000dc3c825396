"""What one look says about a change: who may have what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.model import Attachment, AttachmentState, DiskId, Epoch, VmId
from drivers.base import Done, Listing, Outcome, Refused
from drivers.libvirt.inventory import HeldDisk, Seat
from drivers.libvirt.looking.moved import moved, said, strays
from drivers.libvirt.looking.pools import Pools
from drivers.libvirt.standing import KEEPS_MEMORY, Standing


@dataclass(frozen=True, slots=True)
class Look:
    """
    All hosts that answer, at about the same time. ``lost``: why the others could not be read.

    ``astray``: disks that a VM may have on another file. ``unnamed``: of VMs with such a disk of which nobody can say
    now which one it is.
    """

    pools: Pools
    seats: tuple[Seat, ...]
    lost: tuple[str, ...] = ()
    astray: frozenset[DiskId] = frozenset()
    unnamed: Mapping[VmId, str] = field(default_factory=dict)

    @property
    def unread(self) -> tuple[str, ...]:
        """Parts on which nobody knows which disks there are."""
        return (*self.lost, *(seat.unread for seat in self.seats if seat.unread), *self.unnamed.values())

    def of(self, vm: VmId) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.vm == vm)

    def devices(self, disk: DiskId, vm: VmId) -> list[HeldDisk]:
        """A disk on a VM, once for each configuration that has it."""
        return [device for seat in self.of(vm) for device in seat.holds(self.pools).get(disk, ())]

    def stamp(self, vm: VmId) -> Epoch | None:
        return max((seat.stamp for seat in self.of(vm) if seat.stamp is not None), default=None)


def attachments(look: Look) -> list[Attachment]:
    """Uncertain: one that is ours if anybody's, in a pool of which nobody can say that now; and one that was moved."""
    away = {(disk, each.seat.vm) for disk, there in moved(strays(look.seats), look.astray).items() for each in there}
    found = {(disk, seat.vm) for seat in look.seats for disk in seat.holds(look.pools)}
    return [
        Attachment(disk, vm, _state(look, disk, away=(disk, vm) in away), look.stamp(vm))
        for disk, vm in sorted(found | away)
    ]


def _state(look: Look, disk: DiskId, *, away: bool) -> AttachmentState:
    return AttachmentState.UNCERTAIN if away or look.pools.of(disk) is None else AttachmentState.ATTACHED


def moved_away(look: Look, disk: DiskId) -> str | None:
    """Why its file is not what its VM writes to."""
    return said(moved(strays(look.seats), [disk])).get(disk)


def odd(look: Look) -> dict[DiskId, str]:
    """What is wrong with a disk that somebody has on another file, and the cure."""
    return said(moved(strays(look.seats), look.astray))


def listing(look: Look) -> Listing:
    """A VM that does not run here may run on a host that does not answer, with other disks."""
    blind = {seat.vm for seat in look.seats if seat.unread} | look.unnamed.keys()
    seen = {seat.vm for seat in look.seats if seat.live is not None or not look.lost}
    held = tuple(attachments(look))
    unclear = {each.disk: why for each in held if (why := look.pools.refusal(each.disk)) is not None}
    return Listing(held, frozenset(seen - blind), look.unread, odd=unclear | odd(look))


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
    here = {disk for seat in seats for disk in seat.holds(look.pools)}
    away = said(moved(strays(look.seats), disks))
    judged = {
        disk: Refused(away[disk]) if disk in away else _judged(look, disk, vm, epoch, there=disk in here)
        for disk in dict.fromkeys(disks)
    }
    known, todo = _split(judged)
    if not todo and (Done() not in known.values() or look.stamp(vm) == epoch):
        return Step(known)
    return Step(known, todo, _running(seats))


def _judged(look: Look, disk: DiskId, vm: VmId, epoch: Epoch, *, there: bool) -> Outcome | None:
    """None: it has to be attached. ``there``: this VM has it."""
    seats = look.of(vm)
    why = guard(look, vm, epoch) or look.pools.refusal(disk) or _elsewhere(look, disk, vm)
    if why is None and not there:
        if (lacking := _without_controller(seats)) is not None:
            return lacking
        why = _cannot_attach(look, disk, seats)
    if why is not None:
        return Refused(why)
    return Done() if there else None


def _without_controller(seats: Sequence[Seat]) -> Refused | None:
    live = next((seat for seat in seats if seat.live is not None), None)
    if live is None or live.live is None or live.live.controller is not None:
        return None
    cure = (
        f"Add <controller type='scsi' model='virtio-scsi'/> to the configuration of {live.name} (`virsh edit`) and "
        "switch it off and on, or drain its node."
    )
    return Refused(f"VM {live.name} has no virtio-scsi controller", cure=cure)


def _split(judged: Mapping[DiskId, Outcome | None]) -> tuple[dict[DiskId, Outcome], tuple[DiskId, ...]]:
    known = {disk: outcome for disk, outcome in judged.items() if outcome is not None}
    return known, tuple(disk for disk in judged if disk not in known)


def _running(seats: Sequence[Seat]) -> tuple[Seat, ...]:
    return tuple(seat for seat in seats if seat.live is not None) or tuple(seats[:1])


def _elsewhere(look: Look, disk: DiskId, vm: VmId) -> str | None:
    others = sorted({seat.name for seat in look.seats if seat.vm != vm and disk in seat.holds(look.pools)})
    return f"{disk} is attached to {', '.join(others)}" if others else None


def _cannot_attach(look: Look, disk: DiskId, seats: Sequence[Seat]) -> str | None:
    live = next((seat for seat in seats if seat.live is not None), None)
    if live is None:
        # QEMU's lock is taken when the disk is opened: a VM that is off would hold a disk that nothing guards.
        return f"a disk is attached to a VM that runs only, and VM {seats[0].name} {seats[0].standing.value}"
    return look.pools.gap(disk, live.host)


def to_detach(look: Look, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Step:
    seats = look.of(vm)
    why = guard(look, vm, epoch) or stays(seats)
    known, todo = dict[DiskId, Outcome](), list[DiskId]()
    away = said(moved(strays(seats), disks))
    for disk in dict.fromkeys(disks):
        devices = look.devices(disk, vm)
        if (refusal := why or look.pools.refusal(disk) or away.get(disk) or covered(disk, devices)) is not None:
            known[disk] = Refused(refusal)
        elif not devices:
            known[disk] = Done()
        else:
            todo.append(disk)
    with_disks = tuple(seat for seat in seats if set(todo) & set(seat.holds(look.pools)))
    return Step(known, tuple(todo), with_disks)


def stays(seats: Sequence[Seat]) -> str | None:
    """Why what is taken from its configuration is not taken from the VM."""
    odd = next((seat for seat in seats if seat.standing in {*KEEPS_MEMORY, Standing.MIGRATED}), None)
    if odd is None or any(seat.live is not None for seat in seats):
        return None
    return f"VM {odd.name} {odd.standing.value}; its disks stay with it until then"


def covered(disk: DiskId, devices: Sequence[HeldDisk]) -> str | None:
    """Its newest data is in another file then, which would stay behind; or it is being copied, and libvirt refuses."""
    over = [device.files[0] for device in devices if device.files and device.files[0] != disk]
    if over:
        return f"{disk} is under the snapshot {over[0]}: merge it first (`virsh blockcommit --active --pivot`)"
    copied = next((device for device in devices if device.copied_to), None)
    if copied is None:
        return None
    return (
        f"{disk} is being copied to {copied.copied_to} by somebody: end that first, without a move to that file "
        f"(`virsh blockjob VM {copied.target} --abort`)"
    )

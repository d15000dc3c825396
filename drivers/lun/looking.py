"""What one look at all LUNs tells, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model import Attachment, AttachmentState, DiskId, Epoch, VmId, VolumeKey
from controller.reservations import codec
from controller.reservations.keys import NodeKey, PoolKey, parse, pool_number, shown, who_is
from controller.reservations.plate import BadPlate, Plate, decode
from controller.reservations.state import Seen, State
from drivers.base import Listing


@dataclass(frozen=True, slots=True)
class Seat:
    """One LUN. ``bad``: what is in the place of its nameplate."""

    lun: str
    size: int
    state: State
    plate: Plate | None = None
    bad: str = ""

    @property
    def disk(self) -> DiskId:
        """Of one that no volume has: an ID that is none's."""
        return disk_id(VolumeKey("" if self.plate is None else self.plate.key), self.lun)


@dataclass(frozen=True, slots=True)
class Look:
    """``lost``: why the others could not be read. ``machines``: by what their keys say."""

    pool: str
    machines: Mapping[int, VmId]
    seats: Mapping[str, Seat]
    lost: Mapping[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> Epoch:
        """The highest one under which anything was done to these LUNs."""
        return max((key.epoch for seat in self.seats.values() for key in self._keys(seat)), default=Epoch(0))

    def _keys(self, seat: Seat) -> list[NodeKey | PoolKey]:
        return [*nodes(seat.state), *pools(seat.state, self.pool)]

    def guard(self, vm: VmId, epoch: Epoch) -> str | None:
        """Why whoever comes under this epoch was deposed."""
        every = [key for seat in self.seats.values() for key in self._keys(seat)]
        above = [each.epoch for each in every if isinstance(each, PoolKey) or each.who == who_is(vm)]
        if above and max(above) > epoch:
            return f"VM {vm} or its LUNs were served under the epoch {max(above)} already: {epoch} is over"
        return None

    def holders(self, seat: Seat) -> list[VmId]:
        return sorted({self.machines[each.who] for each in nodes(seat.state) if each.who in self.machines})

    def strangers(self, seat: Seat) -> list[int]:
        """Keys that nobody knows, in order."""
        number = pool_number(self.pool)
        return sorted(each for each in set(seat.state.keys) if not _known(parse(each), number, self.machines))

    def named(self, key: VolumeKey) -> list[Seat]:
        return [seat for seat in self.of_pool() if seat.plate is not None and seat.plate.key == key]

    def of_pool(self) -> list[Seat]:
        return [seat for seat in self.seats.values() if seat.plate is not None and seat.plate.pool == self.pool]


def _known(key: NodeKey | PoolKey | None, pool: int, machines: Mapping[int, VmId]) -> bool:
    return key.pool == pool if isinstance(key, PoolKey) else key is not None and key.who in machines


def nodes(state: State) -> list[NodeKey]:
    return [each for each in map(parse, state.keys) if isinstance(each, NodeKey)]


def pools(state: State, pool: str) -> list[PoolKey]:
    number = pool_number(pool)
    return [each for each in map(parse, state.keys) if isinstance(each, PoolKey) and each.pool == number]


def held_by(state: State, key: int) -> bool:
    """That key has the reservation, it is of our type, and it is registered."""
    held = state.reservation
    return held is not None and (held.key, held.kind) == (key, codec.OURS) and key in state.keys


def disk_id(key: VolumeKey, lun: str) -> DiskId:
    return DiskId(f"{key}@{lun}")


def split(disk: DiskId) -> tuple[VolumeKey, str] | None:
    """Key and LUN; None for what is no ID of ours."""
    key, _, lun = disk.rpartition("@")
    return (VolumeKey(key), lun) if key and lun else None


def seat(lun: str, seen: Seen) -> Seat:
    try:
        return Seat(lun, seen.size, seen.state, decode(seen.plate))
    except BadPlate as error:
        return Seat(lun, seen.size, seen.state, None, str(error))


def listing(look: Look) -> Listing:
    attachments, odd = list[Attachment](), dict[DiskId, str]()
    for each in look.of_pool():
        why = oddity(look, each)
        odd |= {} if why is None else {each.disk: why}
        attachments += _attached(look, each, each.disk, sure=why is None)
    unread = tuple(f"the LUN {lun} cannot be read: {why}" for lun, why in look.lost.items())
    return Listing(tuple(attachments), unread=unread, odd=odd)


def _attached(look: Look, seat: Seat, disk: DiskId, *, sure: bool) -> list[Attachment]:
    state = AttachmentState.ATTACHED if sure else AttachmentState.UNCERTAIN
    newest = dict[VmId, Epoch]()
    for key in nodes(seat.state):
        if (vm := look.machines.get(key.who)) is not None:
            newest[vm] = max(key.epoch, newest.get(vm, Epoch(0)))
    found = [Attachment(disk, vm, state, epoch) for vm, epoch in sorted(newest.items())]
    if not sure and not found:  # on whom, nobody can say
        found = [Attachment(disk, VmId("unknown"), state)]
    return found


def refusal(lun: str, state: State, pool: str, epoch: Epoch) -> str | None:
    """Why a controller of this pool and epoch may not hold the LUN."""
    above = [each.epoch for each in pools(state, pool) if each.epoch > epoch]
    if above:
        return f"{lun} is held under the epoch {max(above)} already: {epoch} is over"
    ours = pool_number(pool)
    foreign = [each for each in map(parse, state.keys) if isinstance(each, PoolKey) and each.pool != ours]
    if foreign:
        return f"{lun} has a key of another pool ({shown(foreign[0].number)}): it is in two swarms' settings"
    return _held_otherwise(lun, state)


def _held_otherwise(lun: str, state: State) -> str | None:
    held = state.reservation
    if held is None:  # whoever attaches or detaches takes it first; see `unguarded`
        return None
    if held.kind != codec.OURS:
        return f"the LUN {lun} has a reservation of the type {held.name}, which is not ours: take it away"
    if not isinstance(parse(held.key), PoolKey):
        return f"the reservation of the LUN {lun} is held with the key {shown(held.key)}, which is no controller's"
    return None


def oddity(look: Look, seat: Seat) -> str | None:
    """What makes it a person's business, with the cure."""
    if strangers := look.strangers(seat):
        listed = ", ".join(map(shown, strangers))
        return (
            f"the LUN {seat.lun} has a key that should not be there ({listed}): of a node that is not in `vms` of the "
            "settings, or of another program; see who that is (`sg_persist --in -s`), and take the key away"
        )
    return _held_otherwise(seat.lun, seat.state)


def unguarded(look: Look) -> list[str]:
    """LUNs of ours that anybody could write to now."""
    return [each.lun for each in look.of_pool() if each.state.reservation is None]

"""The driver: LUNs of a pool, one a volume; docs/luns.md tells which key is where when."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence

import structlog

from controller.model import Capabilities, Connection, ConnectKind, DiskId, Epoch, Spec, VmId, VolumeKey
from controller.reservations.keys import MOST_EPOCHS, NodeKey, who_is
from controller.reservations.lun import Lun
from drivers.base import (
    CreateOutcome,
    DeviceHint,
    Done,
    DriverError,
    InDoubt,
    Listing,
    Outcome,
    Refused,
    Unreachable,
)
from drivers.lun.holding import Luns, Refusal
from drivers.lun.looking import Look, Seat, held_by, listing, nodes, seat, split, unguarded
from drivers.lun.making import Maker
from drivers.lun.reach import Reach
from drivers.lun.settings import Settings
from drivers.nodes import Nodes
from drivers.shared.faults import CallError
from drivers.shared.locks import Locks
from drivers.shared.outcomes import failure, not_begun, reading

log = structlog.get_logger()


class LunDriver:
    """``instance``: see `Luns`."""

    def __init__(self, settings: Settings, reach: Reach, instance: int | None = None) -> None:
        self._settings = settings
        self._machines = settings.machines
        self._luns = Luns(reach, settings.pool, secrets.randbits(16) if instance is None else instance)
        self._maker = Maker(self._luns, settings.pool, self._look)
        self._locks = Locks()
        self._nodes: Nodes | None = None
        self._told: tuple[str, ...] = ()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="lun",
            detach_cuts_io=True,  # the storage refuses whose key was preempted
            exclusive_attach=True,
            epoch_guard=True,
            max_disks_per_vm=255,
            shared=True,
            batch=True,
            fences_at_storage=True,
        )

    def use_nodes(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        return await self._maker.create(key, spec.size_bytes)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:  # noqa: ARG002 - the contract's
        return Refused(
            "LUNs are not copied by Reberth: a copy has to be made by the storage array or by the application"
        )

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        with reading():
            found = await self._look()
        if found.lost:
            raise DriverError(f"a LUN cannot be read: {_first(found)}")
        keys = {each.plate.key for each in found.of_pool() if each.plate is not None}
        return sorted(each for each in keys if each.startswith(beginning))

    async def delete(self, disk: DiskId) -> Outcome:
        async with self._locks.alone([disk]):
            try:
                there = await self._seat(disk)
            except CallError as error:
                return failure(error) if isinstance(error, Refusal) else not_begun(error)
            try:
                return Done() if there is None else await self._maker.delete(there, disk)
            except CallError as error:
                return failure(error)

    async def list_attachments(self) -> Listing:
        with reading():
            found = await self._look()
        open_ones = tuple(unguarded(found))
        if open_ones != self._told:
            self._told = open_ones
            if open_ones:
                why = "no reservation is on it: the storage forgot it, or somebody took it away; any node could write"
                log.error("lun.unguarded", luns=list(open_ones), why=why)
        return listing(found)

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        async with self._locks.alone(disks, vm):
            try:
                found = await self._look()
            except CallError as error:
                return [not_begun(error)] * len(disks)
            if (refused := self._refused(found, vm, epoch)) is not None:
                return [refused] * len(disks)
            once = list(dict.fromkeys(disks))
            ready = await asyncio.gather(*(self._prepare(found, disk, vm, epoch) for disk in once))
            outcomes: dict[DiskId, Outcome] = {
                disk: each for disk, each in zip(once, ready, strict=True) if not isinstance(each, Connection)
            }
            outcomes |= await self._connect(vm, [each for each in ready if isinstance(each, Connection)])
        return [outcomes[disk] for disk in disks]

    def _refused(self, found: Look, vm: VmId, epoch: Epoch) -> Refused | None:
        if vm not in self._machines.values():
            cure = "If it is a machine of this swarm, add its UUID to `vms` of the lun settings."
            return Refused(f"VM {vm} is not in `vms` of the lun settings: it gets no LUN", cure=cure)
        if not 0 <= epoch < MOST_EPOCHS:
            return Refused(f"the epoch {epoch} does not fit into a reservation key")
        why = found.guard(vm, epoch)
        return None if why is None else Refused(why)

    async def _prepare(self, found: Look, disk: DiskId, vm: VmId, epoch: Epoch) -> Connection | Outcome:
        """Until the LUN is ours and nobody else's: what the node has to do."""
        named = split(disk)
        there = None if named is None else found.seats.get(named[1])
        if named is not None and named[1] in found.lost:
            return Unreachable(f"not tried: {found.lost[named[1]]}")
        if named is None or there is None or there.disk != disk:
            return Refused(f"there is no disk {disk} among the LUNs of the settings")
        try:
            if (why := _busy(found, there, vm)) is not None:
                return Refused(why)
            state = await self._luns.take(there.lun, epoch)
        except CallError as error:
            return failure(error)
        if (why := _busy(found, Seat(there.lun, there.size, state, there.plate), vm)) is not None:
            return Refused(why)
        key = NodeKey(who_is(vm), epoch).number
        return Connection(disk, ConnectKind.REGISTER_KEY, _names(there.lun), key, epoch)

    async def _connect(self, vm: VmId, asked: Sequence[Connection]) -> Mapping[DiskId, Outcome]:
        if not asked:
            return {}
        if self._nodes is None:
            return {each.disk: Unreachable("no gate can be told to register its key") for each in asked}
        words = await self._nodes.connect(vm, asked)
        seen = await asyncio.gather(*(self._read_back(vm, each) for each in asked))
        return {each.disk: _judged(word, there) for each, word, there in zip(asked, words, seen, strict=True)}

    async def _read_back(self, vm: VmId, asked: Connection) -> bool | str:
        """Whether the node's key is there, the LUN is ours and nobody else's; a sentence where that is not known."""
        lun = asked.by_id[-1]
        try:
            state = await self._luns.ask(lun, Lun.state)
        except CallError as error:
            return str(error)
        others = [each for each in nodes(state) if each.who != who_is(vm)]
        if others or not held_by(state, self._luns.own(asked.epoch)):
            return f"{lun} was taken by somebody else meanwhile"
        return asked.key in state.keys

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        async with self._locks.alone(disks, vm):
            try:
                found = await self._look()
            except CallError as error:
                return [not_begun(error)] * len(disks)
            if (why := found.guard(vm, epoch)) is not None:
                return [Refused(why)] * len(disks)
            once = list(dict.fromkeys(disks))
            done = await asyncio.gather(*(self._detach(found, disk, vm, epoch) for disk in once))
            outcomes = dict(zip(once, done, strict=True))
        return [outcomes[disk] for disk in disks]

    async def _detach(self, found: Look, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        named = split(disk)
        if named is None or named[1] not in {*found.seats, *found.lost}:
            return Refused(f"{disk} is on no LUN of the settings: nobody can say here who may write to it")
        if named[1] in found.lost:
            return Unreachable(f"not tried: {found.lost[named[1]]}")
        there = found.seats[named[1]]
        if there.plate is not None and there.disk != disk:
            return Done()  # the LUN is another volume's by now, whose holder is not ours to cut off
        try:
            await self._luns.cut(there.lun, vm, epoch)
        except CallError as error:
            return failure(error)
        log.info("disk.fenced", disk=disk, vm=vm, epoch=epoch, why="its keys are not on the LUN, which is ours")
        return Done()

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        with reading():
            there = await self._seat(disk)
        if there is None:
            raise DriverError(f"there is no disk {disk}")
        if not any(each.who == who_is(vm) for each in nodes(there.state)):
            raise DriverError(f"{disk} is not attached to the VM {vm}")
        return DeviceHint(_names(there.lun))

    async def close(self) -> None:
        """Nothing is open."""

    async def _look(self) -> Look:
        return await self._luns.look(self._settings.luns, self._machines, self._settings.look_timeout)

    async def _seat(self, disk: DiskId) -> Seat | None:
        """None: the LUN is another volume's, or nobody's. Raises CallError."""
        named = split(disk)
        if named is None or named[1] not in self._settings.luns:
            raise Refusal(f"{disk} is on no LUN of the settings")
        found = seat(named[1], await self._luns.ask(named[1], Lun.look, self._settings.look_timeout))
        if found.bad:
            raise Refusal(f"{named[1]}: {found.bad}")
        return found if found.disk == disk else None


def _busy(found: Look, there: Seat, vm: VmId) -> str | None:
    """Why this VM cannot have it: somebody else has."""
    if others := [each for each in found.holders(there) if each != vm]:
        return f"{there.disk} is attached to VM {', '.join(others)}"
    if strangers := found.strangers(there):
        return f"{there.lun} has {len(strangers)} keys that nobody knows: see `sg_persist --in -s` whose they are"
    return None


def _judged(word: Outcome, there: bool | str) -> Outcome:
    """The LUN decides; the gate's word says why not."""
    if there is True:
        return Done()
    if isinstance(there, str):
        return InDoubt(there)
    if isinstance(word, Done):
        return InDoubt("the gate says that its key is registered, and the LUN has no such key")
    # A gate that is not heard was told nothing: so it is for sure not done, and the storage was not away.
    return Refused(word.why) if isinstance(word, Unreachable) else word


def _names(lun: str) -> tuple[str, ...]:
    """Under /dev/disk/by-id; the one of all paths together first, where there is multipathd."""
    return (f"dm-uuid-mpath-3{lun.removeprefix('wwn-0x')}", lun)


def _first(found: Look) -> str:
    return "; ".join(f"{lun}: {why}" for lun, why in list(found.lost.items())[:1])

"""The driver: image files in shared pools, attached to the VMs of some hypervisor hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog

from controller.model import Capabilities, DiskId, DriverOption, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import (
    CreateOutcome,
    DeviceHint,
    Done,
    DriverError,
    Listing,
    Outcome,
    PowerEvent,
    Refused,
    Room,
)
from drivers.guests import GuestAddresses
from drivers.libvirt.client import Host
from drivers.libvirt.decide import Look, Step, attachments, listing, moved_away, to_attach, to_detach
from drivers.libvirt.devices import by_id
from drivers.libvirt.files.files import Files
from drivers.libvirt.files.live import LiveCopier
from drivers.libvirt.files.placing import options, place_of
from drivers.libvirt.growing import Enlarger
from drivers.libvirt.inventory import Seat
from drivers.libvirt.looking.guests import Guests
from drivers.libvirt.looking.hosts import Hosts
from drivers.libvirt.looking.pools import MAKER, Pools
from drivers.libvirt.power import watch
from drivers.libvirt.rbd.images import Images
from drivers.libvirt.rbd.tools import Tools
from drivers.libvirt.reconfigure import Change
from drivers.libvirt.settings import Settings
from drivers.libvirt.standing import Standing, powers
from drivers.libvirt.stores import Store
from drivers.libvirt.vm_checks import concerns
from drivers.owners import Owners
from drivers.shared.allowed_vms import foreign, told
from drivers.shared.faults import CallError
from drivers.shared.locks import Locks
from drivers.shared.outcomes import failure, not_begun, reading

log = structlog.get_logger()
T = TypeVar("T")
_UNITS = 512  # bytes: sizes of images are whole sectors


class LibvirtDriver:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = Hosts(settings, lambda pools: self._store.disks(pools))  # noqa: PLW0108 - made later
        self._guests = Guests(self._hosts.each)
        # For this process only; between processes the stamps, the attachments' names and the store's guard decide.
        self._locks = Locks()
        self._store = self._made_store()
        self._live = LiveCopier(self._hosts.each, self._run, self._look, self._store.live)
        self._enlarger = Enlarger(self._hosts.each, self._store.grow, self._run, self._look, self._hosts.whole)

    def _made_store(self) -> Store:
        if self._settings.rbd is not None:
            return Images(Tools(self._settings.rbd), self._look)
        files = self._hosts.each[MAKER].files
        return Files(files, self._run_first, self._look, self._hosts.whole, self._settings.format)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="libvirt",
            detach_cuts_io=True,  # QEMU closes the file, without the guest's help
            exclusive_attach=True,
            epoch_guard=True,
            max_disks_per_vm=128,
            shared=True,
            batch=True,
            clones=True,
            snapshots=self._settings.rbd is None,
        )

    @property
    def volume_options(self) -> Sequence[DriverOption]:
        return options(self._settings)

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        return await self._store.create(key, _sectors(spec.size_bytes), place_of(spec))

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return await self._store.clone(key, _sectors(spec.size_bytes), source, place_of(spec))

    async def snapshot(self, key: VolumeKey, spec: Spec, source: DiskId, *, at_rest: bool = True) -> CreateOutcome:
        made = await self._live.snapshot(key, _sectors(spec.size_bytes), source, at_rest=at_rest)
        return made or await self.clone(key, spec, source)

    async def grow(self, disk: DiskId, size_bytes: int) -> Outcome:
        async with self._locks.alone([disk]):
            return self._store.sources.busy(disk) or await self._enlarger.grow(disk, _sectors(size_bytes))

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        with reading():
            return await self._store.keys(beginning)

    async def delete(self, disk: DiskId) -> Outcome:
        async with self._locks.alone([disk]):
            try:
                look = await self._hosts.whole()
            except CallError as error:
                return not_begun(error)
            if (why := look.pools.refusal(disk) or moved_away(look, disk)) is not None:
                return Refused(why)
            if held := [each for each in attachments(look) if each.disk == disk]:
                return Refused(f"{disk} is attached to the VM {held[0].vm}")
            return self._store.sources.busy(disk) or await self._delete(look.pools, disk)

    async def _delete(self, pools: Pools, disk: DiskId) -> Outcome:
        try:
            await self._store.remove(pools, disk)
        except CallError as error:
            return failure(error)
        return Done()

    async def list_attachments(self) -> Listing:
        return listing(await self._read())

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        async with self._locks.alone(disks, vm):
            try:
                look = await self._look()
            except CallError as error:
                return [not_begun(error)] * len(disks)
            if (strange := self._foreign(look, vm)) is not None:
                return [strange] * len(disks)
            copied = self._store.sources.busy_ones(disks)
            step = to_attach(look, [disk for disk in disks if disk not in copied], vm, epoch)
            outcomes = step.known | copied
            for seat in step.seats:
                outcomes |= await self._attach(look, seat, step, epoch)
        return [outcomes[disk] for disk in disks]

    def _foreign(self, look: Look, vm: VmId) -> Refused | None:
        return foreign(self._settings.vms, vm, (seat.name for seat in look.of(vm)))

    async def _attach(self, look: Look, seat: Seat, step: Step, epoch: Epoch) -> Mapping[DiskId, Outcome]:
        change = self._change(look, seat, epoch)
        if step.todo:
            made = await self._store.ready(step.todo)
            names = {disk: each for disk, each in made.items() if isinstance(each, str)}
            refused = {disk: each for disk, each in made.items() if not isinstance(each, str)}
            if not names:
                return refused
            return refused | dict(await self._act(seat, list(names), partial(change.attach, seat, names)))
        there = [disk for disk, outcome in step.known.items() if isinstance(outcome, Done)]
        return await self._act(seat, there, partial(change.restamp, seat, there))

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        async with self._locks.alone(disks, vm):
            try:
                look = await self._look()
            except CallError as error:
                return [not_begun(error)] * len(disks)
            step = to_detach(look, disks, vm, epoch)
            outcomes = step.known | (await self._detach(look, step, epoch) if step.todo else {})
        return [outcomes[disk] for disk in disks]

    async def _detach(self, look: Look, step: Step, epoch: Epoch) -> dict[DiskId, Outcome]:
        notes = await self._store.noted(step.todo)
        outcomes: dict[DiskId, Outcome] = {}
        for seat in step.seats:
            here = [disk for disk in step.todo if disk in seat.holds(look.pools)]
            change = self._change(look, seat, epoch)
            for disk, outcome in (await self._act(seat, here, partial(change.detach, seat, here))).items():
                # It is gone from the VM when it is gone from every host that has a configuration of it.
                outcomes[disk] = outcome if isinstance(outcomes.get(disk, Done()), Done) else outcomes[disk]
        await self._store.forget([disk for disk, outcome in outcomes.items() if isinstance(outcome, Done)], notes)
        return outcomes

    def _change(self, look: Look, seat: Seat, epoch: Epoch) -> Change:
        return Change(self._hosts.each[seat.host], look.pools, epoch, self._settings)

    async def _act(
        self, seat: Seat, disks: Sequence[DiskId], act: Callable[[], Mapping[DiskId, Outcome]]
    ) -> Mapping[DiskId, Outcome]:
        try:
            return await self._run(seat.host, act)
        except CallError as error:
            return dict.fromkeys(disks, failure(error))

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        look = await self._read()
        if (why := moved_away(look, disk)) is not None:
            raise DriverError(why)
        held = look.devices(disk, vm)
        if not held:
            raise DriverError(f"{disk} is not attached to the VM {vm}")
        names = by_id(held[0])
        if not names:
            raise DriverError(
                f"{disk} was attached by hand without <wwn> or <serial>: detach it, Reberth will attach it"
            )
        with reading():
            await self._store.note(disk)
        return DeviceHint(names)

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        found = await self._standings()
        return powers([None if isinstance(each, CallError) else each for each in found], vms)

    async def _standings(self) -> Sequence[Mapping[VmId, Standing] | CallError]:
        answers = await self._hosts.ask(lambda host: host.standings)
        lost = [str(each) for each in answers if isinstance(each, CallError)]
        if len(lost) == len(answers):
            raise DriverError(f"the power states cannot be read: {'; '.join(lost)}")
        return answers

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        return await self._guests.addresses(vms)

    async def power_off(self, vm: VmId) -> Power | Refused:
        """Also throws the memory of a saved VM away, where libvirt keeps it."""
        try:
            if self._settings.vms and (strange := self._foreign(await self._read(), vm)) is not None:
                return strange
            for host, stands in zip(self._hosts.each, await self._standings(), strict=True):
                if not isinstance(stands, CallError):
                    await self._end(host, vm, stands.get(vm))
            return (await self.power([vm]))[vm]
        except DriverError as error:
            log.warning("power.unread", vm=vm, why=str(error))
            return Power.UNKNOWN

    async def _end(self, host: Host, vm: VmId, stands: Standing | None) -> None:
        act = {Standing.RUNS: host.destroy, Standing.SAVED: host.discard}.get(stands) if stands else None
        if act is None:
            if stands not in {None, Standing.OFF}:
                log.warning("power.refused", vm=vm, host=host.uri, why=f"the VM {stands.value if stands else ''}")
            return
        try:
            await self._run(host.index, partial(act, vm))
        except CallError as error:
            # What it is now is read next: only that counts.
            log.warning("power.refused", vm=vm, why=str(error))

    async def concerns(self, nodes: Mapping[VmId, str]) -> Mapping[VmId, Sequence[str]]:
        look = await self._read()
        found = {
            vm: (*told(self._settings.vms, vm, (seat.name for seat in look.of(vm))), *concerns(look, vm))
            for vm in nodes
        }
        return {vm: sentences for vm, sentences in found.items() if sentences}

    async def rooms(self) -> Sequence[Room]:
        with reading():
            return await self._store.rooms()

    async def owners(self) -> Owners:
        with reading():
            return await self._store.owners(await self._hosts.pools())

    async def mark(self, swarm: str) -> Outcome:
        return await self._marked(swarm, there=True)

    async def unmark(self, swarm: str) -> Outcome:
        return await self._marked(swarm, there=False)

    async def _marked(self, swarm: str, *, there: bool) -> Outcome:
        try:
            await self._store.mark(await self._hosts.pools(), swarm, there=there)
        except CallError as error:
            return failure(error)
        return Done()

    def watch_power(self) -> AsyncIterator[PowerEvent]:
        return watch(self._settings)

    async def close(self) -> None:
        await self._hosts.close()
        await self._store.close()

    async def _read(self) -> Look:
        with reading():
            return await self._look()

    async def _look(self) -> Look:
        return await self._hosts.look()

    async def _run_first(self, act: Callable[[], T], seconds: float | None = None) -> T:
        return await self._run(MAKER, act, seconds)

    async def _run(self, host: int, act: Callable[[], T], seconds: float | None = None) -> T:
        return await self._hosts.run(host, act, seconds)


def _sectors(size_bytes: int) -> int:
    return -(-size_bytes // _UNITS) * _UNITS

"""The driver: image files in one shared pool, attached to the VMs of some hypervisor hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog

from controller.model import Attachment, Capabilities, DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import (
    Created,
    CreateOutcome,
    DeviceHint,
    Done,
    DriverError,
    InDoubt,
    Outcome,
    PowerEvent,
    Refused,
    Unreachable,
)
from drivers.libvirt.change import Change
from drivers.libvirt.client import Host, HostView
from drivers.libvirt.copying import Copier
from drivers.libvirt.decide import Look, attachments, joined, powers, to_attach, to_detach
from drivers.libvirt.domain import PREFIX, Seat, by_id, key_of, keys_of
from drivers.libvirt.faults import Doubt, Fault, Kind, NotSent
from drivers.libvirt.power import watch
from drivers.libvirt.settings import Settings
from drivers.libvirt.threads import Threads

log = structlog.get_logger()
T = TypeVar("T")
_UNITS = 512  # bytes: sizes of images are whole sectors


class LibvirtDriver:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = [Host(index, settings) for index in range(len(settings.uris))]
        self._threads = [Threads(uri) for uri in settings.uris]
        # For this process only; between processes the stamps, the attachments' names and QEMU's lock decide.
        self._copier = Copier(self._hosts[0], self._run_first, self._look, settings.format)
        self._disk_locks: defaultdict[DiskId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._vm_locks: defaultdict[VmId, asyncio.Lock] = defaultdict(asyncio.Lock)

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
        )

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        size = -(-spec.size_bytes // _UNITS) * _UNITS
        extension = self._settings.format
        try:
            look = await self._look()
            disk = look.pool.disk(key, extension)
        except (NotSent, Doubt, Fault) as error:
            return Unreachable(str(error))
        try:
            have = await self._run(0, partial(self._hosts[0].create, f"{PREFIX}{key}.{extension}", size, extension))
        except NotSent as error:
            return Unreachable(str(error))
        except Doubt as error:
            return InDoubt(str(error))
        except Fault as fault:
            return Refused(str(fault))
        if have != size:
            return Refused(f"{disk} exists with {have} bytes, not {size}: choose another name, or that size")
        return Created(disk)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return await self._copier.clone(key, -(-spec.size_bytes // _UNITS) * _UNITS, source)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        try:
            files = await self._run(0, self._hosts[0].files)
        except (NotSent, Doubt, Fault) as error:
            raise DriverError(str(error)) from error
        return keys_of(files, beginning)

    async def delete(self, disk: DiskId) -> Outcome:
        async with self._disk_locks[disk]:
            try:
                look = await self._look()
            except (NotSent, Doubt, Fault) as error:
                return Unreachable(str(error))
            if (why := look.pool.refusal(disk)) is not None:
                return Refused(why)
            if held := [each for each in attachments(look) if each.disk == disk]:
                return Refused(f"{disk} is attached to the VM {held[0].vm}")
            return self._copier.sources.busy(disk) or await self._delete(disk)

    async def _delete(self, disk: DiskId) -> Outcome:
        try:
            await self._copier.remove(disk)
            await self._copier.forget(key_of(disk))
        except NotSent as error:
            return Unreachable(str(error))
        except Doubt as error:
            return InDoubt(str(error))
        except Fault as fault:
            return Refused(str(fault))
        return Done()

    async def list_attachments(self) -> Sequence[Attachment]:
        return attachments(await self._read())

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        async with self._alone(disks, vm):
            try:
                look = await self._look()
            except (NotSent, Doubt, Fault) as error:
                return [Unreachable(f"not tried: {error}")] * len(disks)
            copied = {disk: busy for disk in disks if (busy := self._copier.sources.busy(disk)) is not None}
            step = to_attach(look, [disk for disk in disks if disk not in copied], vm, epoch)
            outcomes = dict(step.known) | copied
            for seat in step.seats:
                change = self._change(look, seat, epoch)
                if step.todo:
                    outcomes |= await self._act(seat, step.todo, partial(change.attach, seat, step.todo))
                else:
                    there = [disk for disk, outcome in step.known.items() if isinstance(outcome, Done)]
                    outcomes |= await self._act(seat, there, partial(change.restamp, seat, there))
        return [outcomes[disk] for disk in disks]

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        async with self._alone(disks, vm):
            try:
                look = await self._look()
            except (NotSent, Doubt, Fault) as error:
                return [Unreachable(f"not tried: {error}")] * len(disks)
            step = to_detach(look, disks, vm, epoch)
            outcomes = dict(step.known)
            for seat in step.seats:
                here = [disk for disk in step.todo if disk in seat.holds(look.pool)]
                change = self._change(look, seat, epoch)
                for disk, outcome in (await self._act(seat, here, partial(change.detach, seat, here))).items():
                    # It is gone from the VM when it is gone from every host that has a configuration of it.
                    outcomes[disk] = outcome if isinstance(outcomes.get(disk, Done()), Done) else outcomes[disk]
        return [outcomes[disk] for disk in disks]

    def _change(self, look: Look, seat: Seat, epoch: Epoch) -> Change:
        return Change(self._hosts[seat.host], look.pool, epoch, self._settings)

    async def _act(
        self, seat: Seat, disks: Sequence[DiskId], act: Callable[[], Mapping[DiskId, Outcome]]
    ) -> Mapping[DiskId, Outcome]:
        try:
            return await self._run(seat.host, act)
        except NotSent as error:
            return dict.fromkeys(disks, Unreachable(str(error)))
        except Doubt as error:
            return dict.fromkeys(disks, InDoubt(str(error)))

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        look = await self._read()
        held = [device for seat in look.of(vm) for device in seat.holds(look.pool).get(disk, ())]
        if not held:
            raise DriverError(f"{disk} is not attached to the VM {vm}")
        names = by_id(held[0])
        if not names:
            raise DriverError(
                f"{disk} was attached by hand without <wwn> or <serial>: detach it, Reberth will attach it"
            )
        return DeviceHint(names)

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        running: list[Mapping[VmId, bool] | None] = []
        lost: list[str] = []
        answers = await asyncio.gather(
            *(self._run(host.index, host.running, self._settings.look_timeout) for host in self._hosts),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, NotSent | Doubt | Fault):
                lost.append(str(answer))
                running.append(None)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                running.append(answer)
        if lost and all(host is None for host in running):
            raise DriverError(f"the power states cannot be read: {'; '.join(lost)}")
        return powers(running, vms)

    async def power_off(self, vm: VmId) -> Power:
        try:
            if (await self.power([vm]))[vm] is Power.ON:
                await self._destroy(vm)
            return (await self.power([vm]))[vm]
        except DriverError as error:
            log.warning("power.unread", vm=vm, why=str(error))
            return Power.UNKNOWN

    async def _destroy(self, vm: VmId) -> None:
        for host in self._hosts:
            try:
                if (await self._run(host.index, host.running, self._settings.look_timeout)).get(vm):
                    await self._run(host.index, partial(host.destroy, vm))
            except (NotSent, Doubt, Fault) as error:
                # What it is now is read next: only that counts.
                log.warning("power.refused", vm=vm, why=str(error))

    def watch_power(self) -> AsyncIterator[PowerEvent]:
        return watch(self._settings)

    async def close(self) -> None:
        for host in self._hosts:
            with contextlib.suppress(NotSent, Doubt, Fault):
                await self._run(host.index, host.close, 5.0)

    async def _read(self) -> Look:
        try:
            return await self._look()
        except (NotSent, Doubt, Fault) as error:
            raise DriverError(str(error)) from None

    async def _look(self) -> Look:
        """All hosts at once. Raises if one of them cannot be read: it may have the disk."""
        timeout = self._settings.look_timeout
        answers = await asyncio.gather(
            *(self._run(host.index, host.look, timeout) for host in self._hosts), return_exceptions=True
        )
        views: list[HostView] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            views.append(answer)
        look = joined({view.uri: view.pool for view in views}, [seat for view in views for seat in view.seats])
        if isinstance(look, str):
            raise Fault(Kind.OTHER, look)
        return look

    async def _run_first(self, act: Callable[[], T], seconds: float | None = None) -> T:
        return await self._run(0, act, seconds)

    async def _run(self, host: int, act: Callable[[], T], seconds: float | None = None) -> T:
        return await self._threads[host].run(act, seconds or self._settings.call_timeout)

    @contextlib.asynccontextmanager
    async def _alone(self, disks: Sequence[DiskId], vm: VmId) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._vm_locks[vm])
            for disk in sorted(set(disks)):
                await stack.enter_async_context(self._disk_locks[disk])
            yield

"""The driver: VMDK files in one folder of one datastore, attached to the swarm's VMs by reconfiguring them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

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
from drivers.vsphere import decide
from drivers.vsphere.calls import Calls
from drivers.vsphere.concerns import concerns
from drivers.vsphere.convert import Place, Vm, attachments, by_id, find, key_of, keys_of, ours, power, shows_uuids
from drivers.vsphere.copying import Copier
from drivers.vsphere.decide import Step
from drivers.vsphere.edit import Editor
from drivers.vsphere.faults import Doubt, Fault, Kind, NotSent
from drivers.vsphere.power import watch
from drivers.vsphere.settings import Settings
from drivers.vsphere.slots import MAX_CONTROLLERS

log = structlog.get_logger()
KIB = 1024
_Decide = Callable[[Sequence[Vm], Place, Sequence[DiskId], VmId, Epoch], Step]
_Act = Callable[[Step, Place, VmId, Epoch], Awaitable[Mapping[DiskId, Outcome]]]


class VsphereDriver:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._calls = Calls(settings)
        # Hints for this process only. The storage's own guards are the changeVersion and the file's lock.
        self._disk_locks: defaultdict[DiskId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._vm_locks: defaultdict[VmId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._editor = Editor(self._calls, settings.disks_per_controller)
        self._copier = Copier(self._calls)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="vsphere",
            detach_cuts_io=True,  # the VMX closes the file, without the guest's help
            exclusive_attach=True,
            epoch_guard=True,
            max_disks_per_vm=MAX_CONTROLLERS * self._settings.disks_per_controller,
            shared=True,
            batch=True,
            clones=True,
        )

    @property
    def sent(self) -> Mapping[str, int]:
        """Requests sent so far, by method."""
        return dict(self._calls.session.sent)

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        size = -(-spec.size_bytes // KIB)
        try:
            place = await self._calls.place()
            await self._calls.make_folder()
        except (NotSent, Doubt, Fault) as error:
            # A folder made or not made harms nobody.
            return Unreachable(str(error))
        disk = place.disk(key)
        try:
            await self._calls.create_disk(disk, size)
        except NotSent as error:
            return Unreachable(str(error))
        except Doubt as error:
            return InDoubt(str(error))
        except Fault as fault:
            return await self._copier.existing(disk, size) if fault.kind is Kind.EXISTS else Refused(str(fault))
        return Created(disk)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return await self._copier.clone(key, -(-spec.size_bytes // KIB), source)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        try:
            await self._calls.make_folder()  # without it the search fails
            found = await self._calls.files(f"{beginning}*.vmdk")
        except (NotSent, Doubt, Fault) as error:
            raise DriverError(str(error)) from error
        return keys_of(found, beginning)

    async def delete(self, disk: DiskId) -> Outcome:
        try:
            place = await self._calls.place()
            vms, _ = await self._calls.look(full=True)
            held = [found for found in attachments(vms, place) if found.disk == disk]
        except (NotSent, Doubt, Fault, DriverError) as error:
            return Unreachable(str(error))
        if (why := place.refusal(disk)) is not None:
            return Refused(why)
        if held:
            return Refused(f"{disk} is attached to the VM {held[0].vm}")
        return self._copier.sources.busy(disk) or await self._delete(place, disk)

    async def _delete(self, place: Place, disk: DiskId) -> Outcome:
        try:
            if (locked := await self._copier.sweep(place, key_of(disk))) is not None:
                return locked
            await self._calls.delete_disk(disk)
        except NotSent as error:
            return Unreachable(str(error))
        except Doubt as error:
            return InDoubt(str(error))
        except Fault as fault:
            return Done() if fault.kind is Kind.NOT_FOUND else Refused(str(fault))
        return Done()

    async def list_attachments(self) -> Sequence[Attachment]:
        place, vms = await self._read()
        return attachments(vms, place)

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        # Vain tries at a file that is locked can freeze the VM: see `decide.REFUSED_PAUSE`.
        copied = {disk: busy for disk in disks if (busy := self._copier.sources.busy(disk)) is not None}
        free = [disk for disk in disks if disk not in copied]
        outcomes = iter(await self._change(decide.to_attach, self._editor.attach, free, vm, epoch) if free else [])
        return [copied[disk] if disk in copied else next(outcomes) for disk in disks]

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return await self._change(decide.to_detach, self._editor.detach, disks, vm, epoch)

    async def _change(
        self, decided: _Decide, act: _Act, disks: Sequence[DiskId], vm: VmId, epoch: Epoch
    ) -> Sequence[Outcome]:
        async with self._alone(disks, vm):
            try:
                place = await self._calls.place()
                vms, _ = await self._calls.look(full=True)
            except (NotSent, Doubt, Fault) as error:
                return [Unreachable(f"not tried: {error}")] * len(disks)
            outcomes = await act(decided(vms, place, disks, vm, epoch), place, vm, epoch)
        return [outcomes[disk] for disk in disks]

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        place, vms = await self._read()
        found = find(vms, vm)
        if isinstance(found, str):
            raise DriverError(found)
        held = ours(found, place).get(disk)
        if held is None:
            raise DriverError(f"{disk} is not attached to {found.name}")
        if not shows_uuids(found):
            raise DriverError(
                f"{found.name} does not show its disks' UUIDs: set disk.EnableUUID = TRUE while it is off"
            )
        try:
            uuid = held.uuid or await self._calls.disk_uuid(disk)
        except (NotSent, Doubt, Fault) as error:
            raise DriverError(f"the UUID of {disk} cannot be read: {error}") from None
        return DeviceHint(by_id(uuid))

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        try:
            found, hosts = await self._calls.look(full=False)
        except (NotSent, Doubt, Fault) as error:
            raise DriverError(f"the power states cannot be read: {error}") from None
        states = {}
        for wanted in vms:
            vm = find(found, wanted)
            states[wanted] = Power.UNKNOWN if isinstance(vm, str) else power(vm, hosts)
        return states

    async def power_off(self, vm: VmId) -> Power:
        try:
            await self._switch_off(vm)
            return (await self.power([vm]))[vm]
        except DriverError as error:
            log.warning("power.unread", vm=vm, why=str(error))
            return Power.UNKNOWN

    async def _switch_off(self, vm: VmId) -> None:
        try:
            vms, _ = await self._calls.look(full=False)
            found = find(vms, vm)
            if isinstance(found, str):
                log.warning("power.refused", vm=vm, why=found)
            elif found.power != "poweredOff":
                await self._calls.power_off(found.ref)
        except (NotSent, Doubt, Fault) as error:
            # What it is now is read next: only that counts.
            log.warning("power.refused", vm=vm, why=str(error))

    async def concerns(self, nodes: Mapping[VmId, str]) -> Mapping[VmId, Sequence[str]]:
        _, vms = await self._read()
        found = {vm: concerns(vms, vm, hostname) for vm, hostname in nodes.items()}
        return {vm: sentences for vm, sentences in found.items() if sentences}

    def watch_power(self) -> AsyncIterator[PowerEvent]:
        return watch(self._settings)

    async def close(self) -> None:
        await self._calls.close()

    async def _read(self) -> tuple[Place, Sequence[Vm]]:
        try:
            place = await self._calls.place()
            vms, _ = await self._calls.look(full=True)
        except (NotSent, Doubt, Fault) as error:
            raise DriverError(f"{self._settings.host} cannot be read: {error}") from None
        return place, vms

    @contextlib.asynccontextmanager
    async def _alone(self, disks: Sequence[DiskId], vm: VmId) -> AsyncIterator[None]:
        """
        One change at a time to a VM (each would refuse the other by its changeVersion) and to a disk (the look that
        finds it free and the attach are two requests; between processes the file's lock decides).
        """
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._vm_locks[vm])
            for disk in sorted(set(disks)):
                await stack.enter_async_context(self._disk_locks[disk])
            yield

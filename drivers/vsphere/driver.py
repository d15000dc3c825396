"""The driver: VMDK files in one folder of some datastores, attached to the swarm's VMs by reconfiguring them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import structlog

from controller.model import Attachment, Capabilities, DiskId, DriverOption, Epoch, Power, Spec, VmId, VolumeKey
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
    Unreachable,
)
from drivers.guests import GuestAddresses
from drivers.owners import Owners
from drivers.shared.allowed_vms import foreign
from drivers.shared.faults import CallError, NotSent
from drivers.shared.locks import Locks
from drivers.shared.outcomes import failure, not_begun, reading
from drivers.vsphere import decide
from drivers.vsphere.afterwards.attributes import Attributes
from drivers.vsphere.afterwards.events import Events
from drivers.vsphere.afterwards.policy import give_policies
from drivers.vsphere.async_session import Calls
from drivers.vsphere.creation.copying import Copier
from drivers.vsphere.creation.making import KIB, Maker, options, policy_of
from drivers.vsphere.creation.measuring import measure
from drivers.vsphere.creation.owning import Notes
from drivers.vsphere.decide import Decide, Step
from drivers.vsphere.faults import Kind, is_kind
from drivers.vsphere.growing import enlarge
from drivers.vsphere.inventory import (
    Inventory,
    Place,
    Vm,
    attachments,
    by_id,
    find,
    key_of,
    listing,
    named,
    names,
    ours,
    powers,
    renewed,
    shows_uuids,
    swarms,
    whole,
)
from drivers.vsphere.power import watch
from drivers.vsphere.reconfigure import Editor
from drivers.vsphere.settings import Settings
from drivers.vsphere.sight import Sight
from drivers.vsphere.slots import MAX_CONTROLLERS
from drivers.vsphere.vm_checks import concerns, unfound

log = structlog.get_logger()
_Act = Callable[[Step, Place, VmId, Epoch], Awaitable[Mapping[DiskId, Outcome]]]


class VsphereDriver:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._calls = Calls(settings)
        # Hints for this process only. The storage's own guards are the changeVersion and the file's lock.
        self._locks = Locks()
        self._sight = Sight(self._calls)
        self._editor = Editor(self._calls, settings.disks_per_controller, self._sight.saw)
        self._events = Events(self._calls)
        self._attributes = Attributes(self._calls, settings.custom_attribute)
        self._copier = Copier(self._calls, self._whole)
        self._nodes: frozenset[VmId] = frozenset()  # as the controller last named them
        self._maker = Maker(self._calls, settings, self._copier, self._hosts)
        self._notes = Notes(self._calls)

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
    def volume_options(self) -> Sequence[DriverOption]:
        return options(self._settings)

    @property
    def sent(self) -> Mapping[str, int]:
        """Requests sent so far, by method."""
        return dict(self._calls.session.sent)

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        return await self._maker.create(key, spec)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return await self._maker.clone(key, spec, source)

    async def grow(self, disk: DiskId, size_bytes: int) -> Outcome:
        async with self._locks.alone([disk]):
            try:
                place, vms = await self._look()
            except CallError as error:
                return not_begun(error)
            return await enlarge(self._calls, vms, place, disk, -(-size_bytes // KIB))

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        with reading():
            return await self._maker.keys(beginning)

    async def delete(self, disk: DiskId) -> Outcome:
        try:
            place, vms = await self._look(everything=True)
        except CallError as error:
            return not_begun(error)
        if (why := whole(vms, place, self._sight.known)) is not None:
            return Unreachable(why)
        held = [found for found in attachments(vms, place) if found.disk == disk]
        if (why := place.refusal(disk)) is not None:
            return Refused(why)
        if held:
            return Refused(f"{disk} is attached to the VM {held[0].vm}")
        return self._copier.sources.busy(disk) or await self._delete(place, disk)

    async def _delete(self, place: Place, disk: DiskId) -> Outcome:
        try:
            if (locked := await self._copier.sweep(place.of(disk), key_of(disk))) is not None:
                return locked
            await self._calls.delete_disk(disk)
        except CallError as error:
            return Done() if is_kind(error, Kind.NOT_FOUND) else failure(error)
        return Done()

    async def list_attachments(self) -> Listing:
        with reading(f"{self._settings.host} cannot be read"):
            now, place = await self._inventory()
        return listing(now, place, self._sight.known)

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        usual = self._settings.storage_policy
        return await self._attach(disks, vm, epoch, dict.fromkeys(disks, usual) if usual else {})

    async def attach_volumes(self, volumes: Mapping[DiskId, Spec], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        policies = {disk: name for disk, spec in volumes.items() if (name := policy_of(spec, self._settings))}
        return await self._attach([*volumes], vm, epoch, policies)

    async def _attach(
        self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch, policies: Mapping[DiskId, str]
    ) -> Sequence[Outcome]:
        # Vain tries at a file that is locked can freeze the VM: see `decide.REFUSED_PAUSE`.
        copied = self._copier.sources.busy_ones(disks)
        free = [disk for disk in disks if disk not in copied]
        way = (decide.to_attach, self._editor.attach)
        outcomes = iter(await self._change(way, free, vm, epoch, policies) if free else [])
        return [copied[disk] if disk in copied else next(outcomes) for disk in disks]

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return await self._change((decide.to_detach, self._editor.detach), disks, vm, epoch, {})

    async def _change(
        self, way: tuple[Decide, _Act], disks: Sequence[DiskId], vm: VmId, epoch: Epoch, policies: Mapping[DiskId, str]
    ) -> Sequence[Outcome]:
        decided, act = way
        async with self._locks.alone(disks, vm):
            try:
                place, vms = await self._look()
                vms = renewed(vms, (await self._calls.again(named(vms, [vm]))).vms)
            except CallError as error:
                return [not_begun(error)] * len(disks)
            attaching = decided is decide.to_attach
            step = decide.allowed(decided, self._settings.vms, (vms, place), disks, vm, epoch)
            outcomes = await act(step, place, vm, epoch)
            changed = {disk: outcomes[disk] for disk in step.todo}
            fresh = {disk: policies[disk] for disk, what in changed.items() if disk in policies and what == Done()}
            if fresh:
                await give_policies(self._calls, vms, place, fresh, vm, epoch)
            await self._events.tell(step.vm, "attached" if attaching else "detached", changed, epoch)
            await self._attributes.show(step.vm if Done() in changed.values() else None, place)
        return [outcomes[disk] for disk in disks]

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        place, vms = await self._read()
        found = find(vms, vm)
        if isinstance(found, str):
            raise DriverError(found)
        held = ours(found, place).get(disk)
        if held is None or not held.scsi:
            raise DriverError(f"{disk} is not attached to {found.name}" if held is None else unfound(disk, found.name))
        if not shows_uuids(found):
            raise DriverError(f"{found.name} does not show disks' UUIDs: set disk.EnableUUID = TRUE while it is off")
        with reading(f"the UUID of {disk} cannot be read"):
            return DeviceHint(by_id(held.uuid or await self._calls.disk_uuid(disk)))

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        with reading("the power states cannot be read"):
            states = powers(await self._now(vms))
        return {vm: states.get(vm, Power.UNKNOWN) for vm in vms}

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        with reading("the guests' addresses cannot be read"):
            return await self._calls.guests(vms)

    async def power_off(self, vm: VmId) -> Power | Refused:
        try:
            strange = await self._switch_off(vm)
            return strange or (await self.power([vm]))[vm]
        except DriverError as error:
            log.warning("power.unread", vm=vm, why=str(error))
            return Power.UNKNOWN

    async def _switch_off(self, vm: VmId) -> Refused | None:
        try:
            vms = (await self._now([vm])).vms
            found, strange = find(vms, vm), foreign(self._settings.vms, vm, names(vms, vm))
            if strange is not None:
                return strange
            if isinstance(found, str):
                log.warning("power.refused", vm=vm, why=found)
            elif found.power != "poweredOff":
                await self._calls.power_off(found.ref)
        except CallError as error:
            # What it is now is read next: only that counts.
            log.warning("power.refused", vm=vm, why=str(error))
        return None

    async def concerns(self, nodes: Mapping[VmId, str]) -> Mapping[VmId, Sequence[str]]:
        self._nodes = frozenset(nodes)
        place, vms = await self._read()
        machines = [machine for vm in nodes if isinstance(machine := find(vms, vm), Vm) and machine.readable]
        with reading("what may keep VMs from being changed cannot be read"):
            obstacles = await self._calls.obstacles([machine.ref for machine in machines], place)
        told = {vm: concerns(vms, place, vm, name, obstacles, self._settings.vms) for vm, name in nodes.items()}
        return {vm: sentences for vm, sentences in told.items() if sentences}

    async def rooms(self) -> Sequence[Room]:
        with reading("what room the datastores have cannot be read"):
            return await measure(self._calls, (await self._calls.place()).each)

    async def owners(self) -> Owners:
        with reading("whose the folders are cannot be read"):
            return await self._notes.owners()

    async def mark(self, swarm: str) -> Outcome:
        return await self._notes.put(swarm)

    async def unmark(self, swarm: str) -> Outcome:
        return await self._notes.remove(swarm)

    def watch_power(self) -> AsyncIterator[PowerEvent]:
        return watch(self._settings, self._calls.session.guard)

    async def close(self) -> None:
        await self._calls.close()

    async def _read(self) -> tuple[Place, Sequence[Vm]]:
        with reading(f"{self._settings.host} cannot be read"):
            return await self._look()

    async def _whole(self) -> Sequence[Attachment]:
        """For what must not be done to a disk that is attached anywhere. Raises when a part cannot be read."""
        place, vms = await self._look(everything=True)
        if (why := whole(vms, place, self._sight.known)) is not None:
            raise NotSent(why)
        return attachments(vms, place)

    async def _hosts(self) -> Mapping[str, str]:
        """Those of the swarm's VMs, as far as they are known: with a VM's name each."""
        _, vms = await self._look()
        theirs = vms if self._settings.vm_folders else [vm for vm in vms if swarms(vm, self._nodes)]
        return {vm.host: vm.name for vm in theirs if vm.host is not None}

    async def _now(self, wanted: Sequence[VmId]) -> Inventory:
        """All VMs, but with these and their hosts read in this moment."""
        all_vms = (await self._calls.look()).vms
        fresh = await self._calls.again(named(all_vms, wanted))
        return Inventory(renewed(all_vms, fresh.vms), fresh.hosts)

    async def _look(self, *, everything: bool = False) -> tuple[Place, Sequence[Vm]]:
        """``everything`` is read, for what cannot be taken back: then nothing rests on vCenter's updates."""
        now, place = await self._inventory(everything=everything)
        return place, now.vms

    async def _inventory(self, *, everything: bool = False) -> tuple[Inventory, Place]:
        place = await self._calls.place()
        now = await self._sight.whole(await self._calls.look(whole=everything), place, self._nodes)
        return now, place.among(now.datastores)

"""The questions, one after the other. One that fails is an answer, and the next is asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

from controller.model import DiskId, Epoch, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError
from drivers.shared.faults import CallError
from drivers.vsphere import client
from drivers.vsphere.async_session import Calls
from drivers.vsphere.driver import VsphereDriver
from drivers.vsphere.inventory import Inventory, Place, Vm, by_id, normal_uuid, stamp, unfinished_pattern
from drivers.vsphere.probe.report import Names, Report, Step, machine, scratch_vm
from drivers.vsphere.requests import Change
from drivers.vsphere.settings import Settings

_SIZE = 64 * 2**20
Ask = Callable[[], Awaitable[object]]


class _Probe:
    def __init__(self, settings: Settings, salt: UUID) -> None:
        self.settings = settings
        self.calls = Calls(settings)
        self.names = Names(salt)
        self.steps: list[Step] = []
        self.now = Inventory()
        for kind, real in (("vcenter", settings.host), ("datacenter", settings.datacenter)):
            self.names.name(kind, real)
        for name, path in settings.stores.items():
            self.names.name("datastore", path)
            self.names.name("datastore", name)
        self.names.name("folder", settings.folder)

    async def ask(self, name: str, asks: str, ask: Ask) -> object:
        """None where it failed."""
        began, answer, said = time.monotonic(), None, ""
        try:
            answer = await ask()
            said = str(answer)
        except (CallError, DriverError) as error:
            said = str(error)
        seconds = round(time.monotonic() - began, 3)
        ok = answer is not None
        self.steps.append(Step(name=name, asks=asks, ok=ok, seconds=seconds, said=self.names.scrub(said)))
        return answer

    async def read(self) -> Place | None:
        """All that changes nothing."""
        await self.ask("login", "how long it takes, and whether it works", self._login)
        product = await self.ask("product", "versions", lambda: self.calls.run(client.product))
        if product is None:
            return None
        await self.ask("whole look", "1.8: requests and seconds for all VMs", lambda: self._look(whole=True))
        place = (await self.calls.place()).among(self.now.datastores)
        for vm in self.now.vms:
            self.names.name("vm", vm.name)
        await self.ask("first look by updates", "1.8: requests and seconds", self._look)
        await self.ask("look at what has not changed", "1.8: requests and seconds", self._look)
        await self.ask("settings by name", "1.8: is no user data fetched?", lambda: self.calls.run(client.reads_by_key))
        await self.ask("datastore", "1.6, 1.10: how our folder is shown", lambda: self.calls.run(client.datastore))
        await self.ask("VMs", "1.2, 1.4, 1.17: what is not read, and which flags are set", self._tell_vms)
        some = self.now.vms[0].ref if self.now.vms else None
        await self.ask(
            "privileges", "what the user lacks", lambda: self.calls.run(lambda now: client.lacking(now, some))
        )
        if (policy := self.settings.storage_policy) is not None:
            await self.ask("storage policy", "1.14: is it found, does it encrypt?", lambda: self.calls.policy(policy))
        return place

    async def _login(self) -> str:
        await self.calls.place()
        return "done"

    async def _look(self, *, whole: bool = False) -> str:
        before = Counter(self.calls.session.sent)
        self.now = await self.calls.look(whole=whole)
        sent = Counter(self.calls.session.sent) - before
        return f"{len(self.now.vms)} VMs, {len(self.now.hosts)} hosts, {dict(sent)}"

    async def _tell_vms(self) -> str:
        unread = Counter(vm.unread for vm in self.now.vms if not vm.readable)
        flags = Counter((vm.disk_uuids, "disk.enableuuid" in vm.extra) for vm in self.now.vms if vm.readable)
        told = {f"flag {flag}, setting {setting}": count for (flag, setting), count in flags.items()}
        without = sum(1 for vm in self.now.vms for disk in vm.disks if disk.uuid is None)
        return f"unread: {dict(unread)}; disk.EnableUUID: {told}; disks without a UUID: {without}"

    async def scratch(self, wanted: str, place: Place) -> None:
        """On one VM, and a disk made for it, which is deleted again."""
        vm = scratch_vm(list(self.now.vms), wanted, place)
        if isinstance(vm, str):
            self.steps.append(Step(name="scratch VM", asks="", ok=False, seconds=0, said=self.names.scrub(vm)))
            return
        driver = VsphereDriver(self.settings)
        try:
            await self._scratch(driver, vm, place)
        finally:
            await driver.close()

    async def _scratch(self, driver: VsphereDriver, vm: Vm, place: Place) -> None:
        key = VolumeKey(f"probe-{uuid4().hex[:12]}")
        made = await self.ask("create", "a disk of 64 MiB", lambda: driver.create(key, Spec(_SIZE)))
        if not isinstance(made, Created):
            return
        disk, where, epoch = made.disk, VmId(normal_uuid(vm.uuid)), stamp(vm) or Epoch(1)
        try:
            await self.ask("copy", "1.15: is it found, has it a UUID of its own?", lambda: self._copy(place, key, disk))
            await self._on_a_vm(driver, vm, disk, where, epoch)
        finally:
            await self.ask("cleared: snapshot", "", lambda: self._unsnap(vm))
            await self.ask("cleared: detach", "", lambda: driver.detach([disk], where, epoch))
            await self.ask("cleared: delete", "", lambda: driver.delete(disk))
            await self.ask("cleared: stamps", "", lambda: self._unstamp(vm))

    async def _on_a_vm(self, driver: VsphereDriver, vm: Vm, disk: DiskId, where: VmId, epoch: Epoch) -> None:
        attach, detach = (lambda: driver.attach([disk], where, epoch)), (lambda: driver.detach([disk], where, epoch))
        if await self.ask("attach", "section 4, 2", attach) != [Done()]:
            return
        await self.ask("as shown", "1.5, 1.6: path and UUID", lambda: self._shown(vm, disk))
        await self.ask("device", "the name in the guest", lambda: driver.device(disk, where))
        await self.ask("detach", "1.11: the whole device, VM as it is now", detach)
        await self.ask("attach again", "", attach)
        await self.ask(
            "snapshot", "1.3: without memory", lambda: self.calls.task(lambda now: client.make_snapshot(now, vm.ref))
        )
        await self.ask("detach under a snapshot", "1.3: is it refused, and how?", detach)
        await self.ask("remove the snapshot", "", lambda: self._unsnap(vm))
        await self.ask("detach after it", "1.3", detach)

    async def _copy(self, place: Place, key: VolumeKey, disk: DiskId) -> str:
        at = place.of(disk)
        fresh = at.unfinished(key, "probe")
        await self.calls.copy_disk(disk, fresh)
        try:
            found = await self.calls.files(at, unfinished_pattern(key))
            same = by_id(await self.calls.disk_uuid(fresh)) == by_id(await self.calls.disk_uuid(disk))
        finally:
            await self.calls.delete_disk(fresh)
        return f"made; {len(found)} found; its UUID is {'that of its source' if same else 'its own'}"

    async def _shown(self, vm: Vm, disk: DiskId) -> str:
        found = await self.calls.vm(vm.ref)
        shown: Sequence[str] = [f"{each.name} uuid {each.uuid is not None} mode {each.mode}" for each in found.disks]
        return f"{disk} as {shown}"

    async def _unstamp(self, vm: Vm) -> str:
        """An advanced setting that is set to nothing is removed."""
        now = await self.calls.vm(vm.ref)
        keys = sorted(key for key in now.extra if key.startswith("reberth."))
        await self.calls.reconfigure(Change(vm.ref, now.change_version, tuple((key, "") for key in keys)))
        return f"{len(keys)} removed"

    async def _unsnap(self, vm: Vm) -> str:
        try:
            await self.calls.task(lambda now: client.remove_snapshot(now, vm.ref) or "")
        except CallError as error:
            return str(error)
        return "done"


async def probe(settings: Settings, reberth: str, scratch: str | None, salt: UUID | None = None) -> Report:
    """
    Asks vCenter and writes down what it says. ``scratch``: the name or UUID of a VM that is no node, to try things on.

    Nothing else is changed, but that the driver's folder is made where it has to be asked for under an ID. It raises
    nothing about vCenter: what fails is a step's answer.
    """
    asked = _Probe(settings, salt or uuid4())
    try:
        place = await asked.read()
        if place is not None and scratch is not None:
            await asked.scratch(scratch, place)
        product = next((step.said for step in asked.steps if step.name == "product" and step.ok), "unknown")
        machines = () if place is None else tuple(machine(vm, place, asked.names) for vm in asked.now.vms)
        hosts = {asked.names.name("host", ref): state for ref, state in asked.now.hosts.items()}
    finally:
        await asked.calls.close()
    return Report(product=product, reberth=reberth, steps=tuple(asked.steps), machines=machines, hosts=hosts)

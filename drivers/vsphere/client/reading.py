"""Reading: all VMs, hosts and datastores, one VM, one task, one disk's UUID."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from pyVmomi import vim

from controller.model import VmId
from drivers.guests import GuestAddresses
from drivers.shared.faults import Doubt
from drivers.vsphere.client.decode import Kinds, Properties, decode_guest, decode_vm, joined, runs
from drivers.vsphere.client.keyed import answers_keys, paths
from drivers.vsphere.client.parts import Collector, properties_of, ref_of, retrieve, through
from drivers.vsphere.client.session import HOST_PROPERTIES, Open
from drivers.vsphere.client.tracking import Tracker, watch_all, without_values
from drivers.vsphere.faults import Fault, Kind, fault_from
from drivers.vsphere.inventory import Datastore, Found, Host, Inventory, Vm, orders
from drivers.vsphere.requests import TaskState

_FULL = (
    *("name", "config.uuid", "runtime.powerState", "runtime.connectionState", "runtime.host"),
    *("config.changeVersion", "config.hardware.device", "config.flags.diskUuidEnabled", "datastore"),
)
_DATASTORE = ("summary.name", "summary.url", "summary.accessible")
_GUEST = (
    *("runtime.powerState", "runtime.connectionState", "guest.toolsRunningStatus"),
    *("guest.ipAddress", "guest.net"),
)
_EXAMPLES = 10  # VMs to learn from how this server answers
_TASK = ("info.state", "info.error", "info.result")
_KINDS = Kinds(
    disk=vim.vm.device.VirtualDisk,
    controller=vim.vm.device.VirtualSCSIController,
    paravirtual=vim.vm.device.ParaVirtualSCSIController,
)


def look(now: Open, *, whole: bool = False) -> Inventory:
    """
    All VMs, the connection state of every host, and the datastores.

    What vCenter says has changed is read, and now and then, or with ``whole``, everything: in one request, and more for
    further pages, since vCenter answers with at most 100 objects at once.
    """
    if whole:
        return _sorted(_all(now))
    if now.memo.tracker is None:
        now.memo.tracker = Tracker(lambda: _all(now), lambda objects: _some(now, objects), now.memo.whole_look)
    with now.wires.shortening(without_values):
        return _sorted(now.memo.tracker.look(lambda: watch_all(now.content, through(now.views))))


def _all(now: Open) -> tuple[Vm | Host | Datastore, ...]:
    specs = _specs(now)
    sieve = now.sieve
    sifting = sieve.look()
    with now.wires.shortening(sifting.shorten):
        for obj, properties in retrieve(now.content, through(now.views), specs, denied=True):
            sifting.add(_decoded(obj, properties))
    found = sieve.keep(sifting)
    if not any(isinstance(each, Datastore) for each in found):
        # The login found one: an answer without any is none, or of a user who may not see them any more.
        raise Doubt("vCenter shows no datastore at all, so what it shows of the VMs cannot be all there is")
    return found


def _some(now: Open, objects: Iterable[Any]) -> list[Vm | Host | Datastore]:
    wanted = [Collector.ObjectSpec(obj=each) for each in objects]
    with now.wires.shortening(None):
        answer = retrieve(now.content, wanted, _specs(now), denied=True)
        found = [_decoded(obj, properties) for obj, properties in answer]
    untold = {ref_of(each.obj) for each in wanted} - {each.ref for each in found}
    if untold:
        raise Doubt(f"vCenter left {', '.join(sorted(untold))} out of its answer")
    return found


def _specs(now: Open) -> list[object]:
    return [
        properties_of(vim.VirtualMachine, _full(now)),
        properties_of(vim.HostSystem, HOST_PROPERTIES),
        properties_of(vim.Datastore, _DATASTORE),
    ]


def _full(now: Open) -> tuple[str, ...]:
    if now.memo.keyed is None:
        with now.wires.shortening(None):
            now.memo.keyed = answers_keys(now.content, through(now.views), _examples(now))
    return (*_FULL, *paths(keyed=now.memo.keyed))


def _examples(now: Open) -> list[Any]:
    """Some VMs, if there are any."""
    for view in now.views:
        found = [each for each in view.view if isinstance(each, vim.VirtualMachine)]
        if found:
            return found[:_EXAMPLES]
    return []


def _sorted(found: Sequence[Vm | Host | Datastore]) -> Inventory:
    return Inventory(
        tuple(each for each in found if isinstance(each, Vm)),
        {each.ref: each.connection for each in found if isinstance(each, Host)},
        tuple(each for each in found if isinstance(each, Datastore)),
    )


def _decoded(obj: object, properties: Properties) -> Vm | Host | Datastore:
    if isinstance(obj, vim.VirtualMachine):
        return decode_vm(ref_of(obj), properties, _KINDS)
    if isinstance(obj, vim.Datastore):
        name, url = (str(properties.get(f"summary.{each}") or "") for each in ("name", "url"))
        return Datastore(ref_of(obj), name, url, bool(properties.get("summary.accessible", True)))
    return Host(ref_of(obj), str(properties.get("runtime.connectionState", "")))


def read_again(now: Open, vms: Sequence[Vm]) -> Inventory:
    """These VMs and the hosts that they were on, from one answer. Raises when one of them is gone."""
    hosts = {vm.host for vm in vms if vm.host is not None}
    objects = [vim.VirtualMachine(vm.ref, now.stub) for vm in vms], [vim.HostSystem(ref, now.stub) for ref in hosts]
    return _sorted(_some(now, [*objects[0], *objects[1]])) if vms else Inventory()


def read_guests(now: Open, wanted: Sequence[VmId]) -> dict[VmId, GuestAddresses]:
    """Of those that run, where VMware Tools tell them."""
    refs = _by_id(look(now).vms, wanted)
    objects = [Collector.ObjectSpec(obj=vim.VirtualMachine(ref, now.stub)) for ref in chain(*refs.values())]
    answer = retrieve(now.content, objects, [properties_of(vim.VirtualMachine, _GUEST)]) if objects else ()
    read = {ref_of(obj): decode_guest(values) for obj, values in answer if runs(values)}
    guests = ((vm, joined([read[ref] for ref in each if ref in read])) for vm, each in refs.items())
    return {vm: guest for vm, guest in guests if guest is not None}


def _by_id(vms: Sequence[Vm], wanted: Sequence[VmId]) -> dict[VmId, list[str]]:
    """All that may be one of these, of each: a swarm's worth of them may be asked for among thousands."""
    found: dict[VmId, list[str]] = {vm: [] for vm in wanted}
    for each in vms:
        for name in orders(each.uuid) & found.keys():
            found[VmId(name)].append(each.ref)
    return found


def read_vm(now: Open, ref: str) -> Vm:
    target = Collector.ObjectSpec(obj=vim.VirtualMachine(ref, now.stub))
    for _, properties in retrieve(now.content, [target], [properties_of(vim.VirtualMachine, _full(now))]):
        return decode_vm(ref, properties, _KINDS)
    raise Fault(Kind.GONE, f"the VM {ref} is gone")


def read_task(now: Open, ref: str) -> TaskState:
    # Not `task.info`: pyVmomi cannot decode the entity in the tasks of managers.
    target = Collector.ObjectSpec(obj=vim.Task(ref, now.stub))
    for _, properties in retrieve(now.content, [target], [properties_of(vim.Task, _TASK)]):
        state = str(properties.get("info.state", ""))
        fault = fault_from(properties.get("info.error"), begun=True) if state == "error" else None
        files = getattr(properties.get("info.result"), "file", None)
        found = None if files is None else tuple(_found(file) for file in files)
        return TaskState(ended=state in {"success", "error"}, fault=fault, found=found)
    raise Fault(Kind.GONE, f"the task {ref} is gone")


def _found(file: Any) -> Found:
    return Found(str(file.path), getattr(file, "capacityKb", None), getattr(file, "fileSize", None))


def disk_uuid(now: Open, path: str) -> str:
    return str(now.content.virtualDiskManager.QueryVirtualDiskUuid(path, now.datacenter))

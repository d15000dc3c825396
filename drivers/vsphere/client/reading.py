"""Reading: all VMs in one request, one VM, one task, one disk's UUID."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyVmomi import vim, vmodl

from drivers.vsphere.client.parts import Collector, properties_of, ref_of, through
from drivers.vsphere.client.session import HOST_PROPERTIES, Open
from drivers.vsphere.convert import Host, Vm
from drivers.vsphere.decode import Kinds, Properties, decode_vm
from drivers.vsphere.faults import Fault, Kind, fault_from
from drivers.vsphere.requests import Found, TaskState

_LIGHT = ("name", "config.uuid", "runtime.powerState", "runtime.connectionState", "runtime.host")
_FULL = (*_LIGHT, "config.changeVersion", "config.extraConfig", "config.hardware.device", "datastore")
_TASK = ("info.state", "info.error", "info.result")
_KINDS = Kinds(
    disk=vim.vm.device.VirtualDisk,
    controller=vim.vm.device.VirtualSCSIController,
    paravirtual=vim.vm.device.ParaVirtualSCSIController,
)


def look(now: Open, *, full: bool) -> tuple[tuple[Vm, ...], dict[str, str]]:
    """All VMs, and the connection state of every host, in one request (and more only for further pages)."""
    specs = [
        properties_of(vim.VirtualMachine, _FULL if full else _LIGHT),
        properties_of(vim.HostSystem, HOST_PROPERTIES),
    ]
    sieve = now.sieves[full]
    sifting = sieve.look()
    try:
        with now.wires.shortening(sifting.shorten):
            for obj, properties in _retrieve(now, through(now.view), specs):
                sifting.add(_decoded(obj, properties))
    except vmodl.fault.ManagedObjectNotFound as error:
        if error.obj is not None and ref_of(error.obj) == ref_of(now.view):
            # The view belongs to the session and went with it.
            raise Fault(Kind.NOT_AUTHENTICATED, "the session has ended") from None
        raise
    found = sieve.keep(sifting)
    vms = tuple(each for each in found if isinstance(each, Vm))
    return vms, {each.ref: each.connection for each in found if isinstance(each, Host)}


def _decoded(obj: object, properties: Properties) -> Vm | Host:
    if isinstance(obj, vim.VirtualMachine):
        return decode_vm(ref_of(obj), properties, _KINDS)
    return Host(ref_of(obj), str(properties.get("runtime.connectionState", "")))


def read_vm(now: Open, ref: str) -> Vm:
    target = Collector.ObjectSpec(obj=vim.VirtualMachine(ref, now.stub))
    for _, properties in _retrieve(now, [target], [properties_of(vim.VirtualMachine, _FULL)]):
        return decode_vm(ref, properties, _KINDS)
    raise Fault(Kind.NOT_FOUND, f"the VM {ref} is gone")


def read_task(now: Open, ref: str) -> TaskState:
    # Not `task.info`: pyVmomi cannot decode the entity in the tasks of managers.
    target = Collector.ObjectSpec(obj=vim.Task(ref, now.stub))
    for _, properties in _retrieve(now, [target], [properties_of(vim.Task, _TASK)]):
        state = str(properties.get("info.state", ""))
        fault = fault_from(properties.get("info.error")) if state == "error" else None
        files = getattr(properties.get("info.result"), "file", ())
        found = tuple(Found(str(file.path), getattr(file, "capacityKb", None)) for file in files)
        return TaskState(ended=state in {"success", "error"}, fault=fault, found=found)
    raise Fault(Kind.NOT_FOUND, f"the task {ref} is gone")


def disk_uuid(now: Open, path: str) -> str:
    return str(now.content.virtualDiskManager.QueryVirtualDiskUuid(path, now.datacenter))


def _retrieve(now: Open, objects: Sequence[object], specs: Sequence[object]) -> Iterator[tuple[object, Properties]]:
    collector = now.content.propertyCollector
    spec = Collector.FilterSpec(objectSet=list(objects), propSet=list(specs))
    page = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions())
    while page is not None:
        for found in page.objects:
            # Without a session this call does not fail: it leaves the values out and says so here.
            for missing in found.missingSet:
                fault = fault_from(missing.fault)
                raise Fault(fault.kind, f"{missing.path} of {ref_of(found.obj)} cannot be read: {fault}")
            yield found.obj, {each.name: each.val for each in found.propSet}
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None

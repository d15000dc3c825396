"""Reading what keeps VMs from being changed: only of those that are asked for, and not in each look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from controller.model import DiskId
from drivers.base import Room
from drivers.vsphere.client.parts import Collector, properties_of, ref_of, retrieve
from drivers.vsphere.client.session import Open
from drivers.vsphere.client.stores import mount
from drivers.vsphere.inventory import Place
from drivers.vsphere.obstacles import Obstacles, Store

_VM = (
    *("snapshot.currentSnapshot", "runtime.consolidationNeeded", "runtime.question", "disabledMethod"),
    *("config.keyId", "config.version", "runtime.host", "config.hardware.device"),
)
_DATASTORE = ("summary.accessible", "summary.maintenanceMode", "summary.freeSpace", "host")
_HOST = ("name", "runtime.inMaintenanceMode")
_ROOM = properties_of(vim.Datastore, ("summary.freeSpace", "summary.capacity"))


def read_obstacles(now: Open, refs: Sequence[str], place: Place | None, *, wide: bool) -> dict[str, Obstacles]:
    """
    By managed object ID; a VM that is gone is left out.

    ``place``: with all datastore objects that are our storage, one for each datacenter; without it nothing is said
    about mounts. ``wide``: more than 15 disks go on a controller.
    """
    objects = [Collector.ObjectSpec(obj=vim.VirtualMachine(ref, now.stub)) for ref in refs]
    objects += [Collector.ObjectSpec(obj=vim.Datastore(ref, now.stub)) for ref in (place or now.place).refs]
    specs = [properties_of(vim.VirtualMachine, _VM), properties_of(vim.Datastore, _DATASTORE)]
    read: dict[str, Any] = {ref_of(obj): values for obj, values in retrieve(now.content, objects, specs)}
    hosts = _hosts(now, [values.get("runtime.host") for values in read.values()])

    def of(vm: Any) -> Obstacles:
        on = _on(vm)
        stores = tuple(_store(each, read, on if place else "") for each in (place or now.place).each)
        return _obstacles(vm, stores, hosts.get(on, {}), now.place, wide=wide)

    return {ref: of(read[ref]) for ref in refs if ref in read}


def _on(vm: Any) -> str:
    return "" if vm.get("runtime.host") is None else ref_of(vm["runtime.host"])


def _store(place: Place, read: Any, host: str) -> Store:
    found = read.get(place.datastore, {})
    mounts = [mount for ref in place.refs for mount in read.get(ref, {}).get("host") or ()]
    free = found.get("summary.freeSpace")
    return Store(
        place.name,
        accessible=bool(found.get("summary.accessible", True)),
        maintenance=str(found.get("summary.maintenanceMode") or ""),
        free_bytes=None if free is None else int(free),
        mount=mount(mounts, host),
    )


def _hosts(now: Open, found: Sequence[Any]) -> dict[str, Any]:
    wanted = {ref_of(host): Collector.ObjectSpec(obj=host) for host in found if host is not None}
    if not wanted:
        return {}
    spec = properties_of(vim.HostSystem, _HOST)
    return {ref_of(obj): values for obj, values in retrieve(now.content, list(wanted.values()), [spec])}


def free_kib(now: Open, at: Place) -> int | None:
    """On this datastore; None where it does not tell."""
    target = Collector.ObjectSpec(obj=vim.Datastore(at.datastore, now.stub))
    for _, values in retrieve(now.content, [target], [properties_of(vim.Datastore, ("summary.freeSpace",))]):
        if free := values.get("summary.freeSpace"):
            return int(free) // 1024
    return None


def rooms(now: Open, at: Sequence[Place]) -> dict[str, Room]:
    """Of these datastores, by name, as far as they tell it."""
    targets = [Collector.ObjectSpec(obj=vim.Datastore(each.datastore, now.stub)) for each in at]
    read: dict[str, Any] = {ref_of(obj): values for obj, values in retrieve(now.content, targets, [_ROOM])}
    told = ((each.name, read.get(each.datastore, {})) for each in at)
    return {
        name: Room(f"the datastore {name}", int(values["summary.freeSpace"]), int(values["summary.capacity"]))
        for name, values in told
        if values.get("summary.freeSpace") is not None and values.get("summary.capacity")
    }


def _obstacles(vm: Any, stores: tuple[Store, ...], host: Any, place: Place, *, wide: bool) -> Obstacles:
    return Obstacles(
        snapshot=vm.get("snapshot.currentSnapshot") is not None,
        consolidation=bool(vm.get("runtime.consolidationNeeded")),
        question=str(getattr(vm.get("runtime.question"), "text", "") or ""),
        disabled=frozenset(str(each) for each in vm.get("disabledMethod") or ()),
        encrypted=vm.get("config.keyId") is not None,
        stores=stores,
        host=str(host.get("name", "")),
        leaving=bool(host.get("runtime.inMaintenanceMode")),
        hardware=_hardware(str(vm.get("config.version") or "")),
        wide=wide,
        sharing=_shared(vm.get("config.hardware.device") or (), place),
    )


def _hardware(version: str) -> int | None:
    digits = version.removeprefix("vmx-")
    return int(digits) if digits.isdecimal() else None


def _shared(devices: Any, place: Place) -> tuple[str, ...]:
    backings: list[Any] = [each.backing for each in devices if isinstance(each, vim.vm.device.VirtualDisk)]
    files = (str(each.fileName) for each in backings if getattr(each, "sharing", None) not in {None, "", "sharingNone"})
    return tuple(file for file in files if place.refusal(DiskId(file)) is None)

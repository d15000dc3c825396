"""Reading what keeps VMs from being changed: only of those that are asked for, and not in each look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyVmomi import vim

from drivers.base import Room
from drivers.vsphere.client.decode import file_of
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
_FORGETFUL = frozenset({"independent_nonpersistent", "nonpersistent", "undoable", "append"})
_HOST = ("name", "runtime.inMaintenanceMode")
_ROOM = properties_of(vim.Datastore, ("summary.freeSpace", "summary.capacity", "summary.accessible"))


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
        return _obstacles(vm, stores, hosts.get(on, {}), place or now.place, wide=wide)

    return {ref: of(read[ref]) for ref in refs if ref in read}


def _on(vm: Any) -> str:
    return "" if vm.get("runtime.host") is None else ref_of(vm["runtime.host"])


def _store(place: Place, read: Any, host: str) -> Store:
    found = read.get(place.datastore, {})
    mounts = [mount for ref in place.refs for mount in read.get(ref, {}).get("host") or ()]
    accessible = bool(found.get("summary.accessible", True))
    free = found.get("summary.freeSpace") if accessible else None  # else it is told as 0
    return Store(
        place.name,
        accessible=accessible,
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
        if values.get("summary.accessible", True)
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
        sharing=_files(vm.get("config.hardware.device") or (), place, _shared),
        forgetful=_files(vm.get("config.hardware.device") or (), place, _forgetful),
    )


def _hardware(version: str) -> int | None:
    digits = version.removeprefix("vmx-")
    return int(digits) if digits.isdecimal() else None


def _files(devices: Any, place: Place, which: Callable[[Any], bool]) -> tuple[str, ...]:
    """Names of our disks among them that are so, as they are attached now."""
    backings: list[Any] = [each.backing for each in devices if isinstance(each, vim.vm.device.VirtualDisk)]
    return tuple(str(each.fileName) for each in backings if which(each) and _is_ours(each, place))


def _is_ours(backing: Any, place: Place) -> bool:
    """Also under the other names that a datastore has, and its folder there."""
    file = file_of(backing)
    return file is not None and place.find(file) is not None


def _shared(backing: Any) -> bool:
    return getattr(backing, "sharing", None) not in {None, "", "sharingNone"}


def _forgetful(backing: Any) -> bool:
    return getattr(backing, "diskMode", None) in _FORGETFUL

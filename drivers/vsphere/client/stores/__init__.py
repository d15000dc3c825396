"""
Where the settings say that disks are: datastores, and datastore clusters with the members that they have now.

A cluster's members are read each time that somebody asks where disks are: datastores come to it and leave it. Without
one that can be seen nothing is known of its disks, so that is an error, and never "no disks".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from pyVmomi import vim

from drivers.vsphere.client.parts import Collector, alias_of, properties_of, ref_of, retrieve, shows_ids
from drivers.vsphere.creation.placing import Member
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Place
from drivers.vsphere.settings import Settings

log = structlog.get_logger()
_MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Pod:
    """A datastore cluster, and how the settings name it."""

    ref: str
    option: str


Store = Place | Pod


def find_stores(content: Any, datacenter: Any, settings: Settings, aliases: dict[str, str]) -> tuple[Store, ...]:
    """In the settings' order. ``aliases``: of our folder, by datastore, as they were last told; new ones are added."""
    found: list[Store] = []
    for option, name in settings.stores.items():
        path = f"{settings.datacenter}/datastore/{name}"
        store = content.searchIndex.FindByInventoryPath(path)
        if isinstance(store, vim.StoragePod):
            found.append(_pod(store, option))
        elif isinstance(store, vim.Datastore):
            found.append(_datastore(content, datacenter, store, settings, option, aliases))
        else:
            raise Fault(
                Kind.NOT_FOUND, f"there is no datastore or datastore cluster {path}, or the user may not see it"
            )
    return tuple(found)


def _pod(pod: Any, option: str) -> Pod:
    drs = getattr(getattr(pod.podStorageDrsEntry, "storageDrsConfig", None), "podConfig", None)
    if drs is not None and drs.enabled and drs.defaultVmBehavior != _MANUAL:
        log.warning(
            "datastore.cluster",
            datastore=option,
            why="Storage DRS of this datastore cluster moves and renames disks by itself: set it to manual, or switch "
            "it off for the swarm's VMs",
        )
    return Pod(ref_of(pod), option)


def _datastore(
    content: Any, datacenter: Any, datastore: Any, settings: Settings, option: str, aliases: dict[str, str]
) -> Place:
    summary = datastore.summary
    folder, url = settings.folder.strip("/"), str(summary.url or "")
    # The name as vCenter has it: in inventory paths some characters are written otherwise.
    place = Place(ref_of(datastore), str(summary.name), folder, url=url, option=option)
    if isinstance(datastore.parent, vim.StoragePod):
        log.warning(
            "datastore.cluster",
            datastore=place.name,
            why="it is in a datastore cluster: Storage DRS moves and renames disks; switch it off for these VMs",
        )
    if shows_ids(datastore):
        if (told := alias_of(content, datacenter, place)) is not None:
            aliases[place.name] = told
        alias = aliases.get(place.name)
        place = replace(place, aliases=(alias,) if alias else ())
    return place


def present(content: Any, stub: Any, stores: Sequence[Store], folder: str) -> Place:
    """All datastores as they are now, the first one first; the members of a datastore cluster by name."""
    found: dict[str, Place] = {}
    for store in stores:
        for each in (store,) if isinstance(store, Place) else _members(content, stub, store, folder):
            # A member that the settings name by itself, too, is one datastore.
            known = found.get(each.datastore, each)
            found[each.datastore] = replace(known, option=known.option or each.option, pod=known.pod or each.pod)
    first, *others = found.values()
    return replace(first, others=tuple(others))


def _members(content: Any, stub: Any, pod: Pod, folder: str) -> list[Place]:
    down = Collector.TraversalSpec(name="members", path="childEntity", skip=False, type=vim.StoragePod)
    wanted = Collector.ObjectSpec(obj=vim.StoragePod(pod.ref, stub), skip=True, selectSet=[down])
    spec = properties_of(vim.Datastore, ("summary.name", "summary.url"))
    found = [
        Place(
            ref_of(obj), str(values["summary.name"]), folder, url=str(values.get("summary.url") or ""), pod=pod.option
        )
        for obj, values in retrieve(content, [wanted], [spec])
    ]
    if not found:
        raise Fault(Kind.NOT_FOUND, f"the datastore cluster {pod.option} has no datastore, or the user may not see any")
    return sorted(found, key=lambda each: each.name)


_MEMBER = properties_of(vim.Datastore, ("summary.accessible", "summary.maintenanceMode", "summary.freeSpace", "host"))


def members(content: Any, stub: Any, places: Sequence[Place]) -> list[Member]:
    """What has to be known of these datastores to choose one of them."""
    wanted = [Collector.ObjectSpec(obj=vim.Datastore(each.datastore, stub)) for each in places]
    read = {ref_of(obj): values for obj, values in retrieve(content, wanted, [_MEMBER])}
    return [_member(each, read.get(each.datastore, {})) for each in places]


def _member(place: Place, values: Mapping[str, Any]) -> Member:
    mounts, free = values.get("host") or (), values.get("summary.freeSpace")
    return Member(
        place.name,
        accessible=bool(values.get("summary.accessible")),
        maintenance=str(values.get("summary.maintenanceMode") or "normal"),
        free_bytes=None if free is None else int(free),
        hosts={ref_of(each.key): mount(mounts, ref_of(each.key)) for each in mounts},
    )


def mount(mounts: Any, host: str) -> str:
    """What is wrong with the datastore on this host; "" where the datastore does not tell which hosts have it."""
    if not mounts or not host:
        return ""
    found = next((each.mountInfo for each in mounts if ref_of(each.key) == host), None)
    if found is None or found.mounted is False:
        return "has not mounted"
    if found.accessible is False:
        return "cannot reach"
    return "may only read" if found.accessMode == "readOnly" else ""

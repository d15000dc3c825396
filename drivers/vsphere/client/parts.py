"""What the other modules share: names of objects, property filters, and errors as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError

import structlog
from pyVmomi import vim, vmodl

from drivers.shared.faults import Doubt
from drivers.vsphere.client.decode import DENIED
from drivers.vsphere.faults import Fault, Kind, fault_from
from drivers.vsphere.inventory import Place

log = structlog.get_logger()
Collector = vmodl.query.PropertyCollector
_OF_A_CALL = (vim.VirtualMachine, vim.HostSystem, vim.Task)
PAGE = 100  # objects in one answer: vCenter gives no more


def ref_of(obj: Any) -> str:
    return str(obj._moId)  # noqa: SLF001 - pyVmomi has no other name for it


@contextmanager
def translated() -> Iterator[None]:
    """Errors of pyVmomi as ours. From None: its frames hold whole requests, the login's among them."""
    try:
        yield
    except vmodl.fault.ManagedObjectNotFound as error:
        if error.obj is None or isinstance(error.obj, _OF_A_CALL):
            raise fault_from(error) from None
        if isinstance(error.obj, vim.ManagedEntity):
            raise Fault(Kind.PLACE_GONE, f"vCenter does not know {ref_of(error.obj)} any more") from None
        # A view, a collector: they belong to the session and go with it.
        raise Fault(Kind.NOT_AUTHENTICATED, "the session has ended") from None
    except vmodl.MethodFault as error:
        raise fault_from(error) from None
    except (OSError, HTTPException) as error:
        raise Doubt(f"no answer: {str(error) or type(error).__name__}") from None
    except ExpatError:
        raise Doubt("the answer cannot be read: is this really vCenter or ESXi?") from None


def properties_of(kind: type, paths: Sequence[str]) -> vmodl.query.PropertyCollector.PropertySpec:
    return Collector.PropertySpec(type=kind, pathSet=list(paths))


def through(views: Sequence[vim.view.ContainerView]) -> list[vmodl.query.PropertyCollector.ObjectSpec]:
    step = Collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    return [Collector.ObjectSpec(obj=view, skip=True, selectSet=[step]) for view in views]


def retrieve(
    content: Any, objects: Sequence[object], specs: Sequence[object], *, denied: bool = False
) -> Iterator[tuple[object, Mapping[str, Any]]]:
    """
    Each object with its properties, by path; one that is not set is not there.

    ``denied``: of a VM that the user may not read, that is told as a property (`DENIED`). Else it is a Fault, as all
    that cannot be read: without a session vCenter says so in the same place.
    """
    collector = content.propertyCollector
    spec = Collector.FilterSpec(objectSet=list(objects), propSet=list(specs))
    page = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions(maxObjects=PAGE))
    while page is not None:
        for found in page.objects:
            refused = _missing(found, tolerated=denied and isinstance(found.obj, vim.VirtualMachine))
            yield found.obj, {**{each.name: each.val for each in found.propSet}, **refused}
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None


def _missing(found: Any, *, tolerated: bool) -> Mapping[str, Any]:
    # Without a session this call does not fail: it leaves the values out and says so here.
    for missing in found.missingSet:
        fault = fault_from(missing.fault)
        if not (tolerated and fault.kind is Kind.PERMISSION):
            raise Fault(fault.kind, f"{missing.path} of {ref_of(found.obj)} cannot be read: {fault}")
    return {DENIED: True} if found.missingSet else {}


def shows_ids(datastore: Any) -> bool:
    """
    Whether a folder at its top is an object of its own, whose files are shown under its ID (vSAN, virtual volumes).

    By what the datastore says that it can, where it says so.
    """
    can = datastore.capability.topLevelDirectoryCreateSupported
    return can is False or (can is None and str(datastore.summary.type).lower() in {"vsan", "vvol"})


def alias_of(content: Any, datacenter: Any, place: Place) -> str | None:
    """
    The ID under which such a datastore shows our folder; None when it cannot be told now.

    It is made only if it is not found: making it needs more rights, and a storage that is whole.
    """
    url = place.url.rstrip("/")
    if content.datastoreNamespaceManager is None:
        log.warning("folder.unknown", datastore=place.name, folder=place.folder, why="this server cannot tell")
        return None
    try:
        try:
            found = _converted(content, datacenter, f"{url}/{place.folder}")
        except (vim.fault.InvalidDatastorePath, vim.fault.FileNotFound):
            make_folder_at(content, f"[{place.name}] {place.folder}", datacenter)
            found = _converted(content, datacenter, f"{url}/{place.folder}")
    except vmodl.MethodFault as error:
        if isinstance(error, vim.fault.NotAuthenticated):
            raise
        log.warning("folder.unknown", datastore=place.name, folder=place.folder, why=str(fault_from(error)))
        return None
    path = found.rstrip("/")
    if not path.startswith(f"{url}/"):
        log.warning("folder.unknown", datastore=place.name, folder=place.folder, why=f"it is shown as {path}")
        return None
    return path.removeprefix(f"{url}/")


def _converted(content: Any, datacenter: Any, path: str) -> str:
    return str(content.datastoreNamespaceManager.ConvertNamespacePathToUuidPath(datacenter, path))


def make_folder_at(content: Any, name: str, datacenter: Any) -> None:
    try:
        content.fileManager.MakeDirectory(name, datacenter, True)
    except vim.fault.FileAlreadyExists:
        return

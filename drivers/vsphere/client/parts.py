"""What the other modules share: names of objects, property filters, and errors as ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from drivers.vsphere.faults import Doubt, fault_from

Collector = vmodl.query.PropertyCollector


def ref_of(obj: Any) -> str:
    return str(obj._moId)  # noqa: SLF001 - pyVmomi has no other name for it


@contextmanager
def translated() -> Iterator[None]:
    """Errors of pyVmomi as ours. From None: its frames hold whole requests, the login's among them."""
    try:
        yield
    except vmodl.MethodFault as error:
        raise fault_from(error) from None
    except (OSError, HTTPException) as error:
        raise Doubt(f"no answer: {str(error) or type(error).__name__}") from None
    except ExpatError:
        raise Doubt("the answer cannot be read: is this really vCenter or ESXi?") from None


def properties_of(kind: type, paths: Sequence[str]) -> vmodl.query.PropertyCollector.PropertySpec:
    return Collector.PropertySpec(type=kind, pathSet=list(paths))


def through(view: vim.view.ContainerView) -> list[vmodl.query.PropertyCollector.ObjectSpec]:
    step = Collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    return [Collector.ObjectSpec(obj=view, skip=True, selectSet=[step])]


def make_folder_at(content: Any, name: str, datacenter: Any) -> None:
    try:
        content.fileManager.MakeDirectory(name, datacenter, True)
    except vim.fault.FileAlreadyExists:
        return

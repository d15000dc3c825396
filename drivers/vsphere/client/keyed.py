"""
Our few advanced settings of a VM, asked for by name.

A VM has a hundred of them, among them what its owners gave its guest (``guestinfo.userdata``: secrets). vCenter and
ESXi answer for single ones; whether this server does is seen once a login, by a VM that has one of ours, or else by one
whose settings are read whole. A server that answers anything else is asked for all of them: an epoch that is not read
would guard nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pyVmomi import vim, vmodl

from drivers.vsphere.client.parts import Collector, properties_of
from drivers.vsphere.faults import Kind, fault_from, is_kind
from drivers.vsphere.inventory import ENABLE_UUID_KEY, KEPT_KEYS

ALL = "config.extraConfig"
_UNKNOWN = (vmodl.query.InvalidProperty, vmodl.fault.InvalidArgument, vmodl.fault.InvalidRequest)
# A VM's own file is read whatever the case of a name, a key of the API maybe not: the one that others write is asked
# for in all spellings that guides have.
_SPELLINGS = {ENABLE_UUID_KEY, "disk.enableUUID", "disk.enableUuid", ENABLE_UUID_KEY.lower()}
NAMES = tuple(sorted(KEPT_KEYS | _SPELLINGS))


def path_of(name: str) -> str:
    return f'{ALL}["{name}"]'


def paths(*, keyed: bool) -> tuple[str, ...]:
    return tuple(map(path_of, NAMES)) if keyed else (ALL,)


def answers_keys(content: Any, all_vms: Sequence[Any], some: Iterable[Any]) -> bool:
    """
    Whether this server answers for one setting as it does for all.

    ``all_vms``: object specs that lead to all VMs; ``some``: VMs to try it on where none of them has a setting of ours.
    """
    try:
        seen = [each for found in _pages(content, all_vms, paths(keyed=True)) for each in found.items()]
    except _UNKNOWN:
        return False
    if seen:
        return all(_is_itself(path, value) for path, value in seen)
    return _tried(content, some)


def _tried(content: Any, some: Iterable[Any]) -> bool:
    for vm in some:
        options = [each for each in _read(content, vm, (ALL,)).get(ALL) or () if '"' not in str(each.key)]
        if options:
            return _same(content, vm, options[0])
    return False


def _is_itself(path: str, value: Any) -> bool:
    return path == path_of(str(getattr(value, "key", "")))


def _same(content: Any, vm: Any, option: Any) -> bool:
    path, other = path_of(str(option.key)), path_of("reberth.no-such-key")
    try:
        found = _read(content, vm, (path, other))
    except _UNKNOWN:
        return False
    value: Any = found.get(path)
    return other not in found and value is not None and (value.key, value.value) == (option.key, option.value)


def _read(content: Any, vm: Any, wanted: tuple[str, ...]) -> dict[str, Any]:
    return next(iter(_pages(content, [Collector.ObjectSpec(obj=vm)], wanted)), {})


def _pages(content: Any, objects: Sequence[Any], wanted: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """
    Of each VM. Raises InvalidProperty also where an answer only notes it: each look would fail for such a note.

    What the user may not read of a VM says nothing of the server.
    """
    spec = Collector.FilterSpec(objectSet=list(objects), propSet=[properties_of(vim.VirtualMachine, wanted)])
    page = content.propertyCollector.RetrievePropertiesEx([spec], Collector.RetrieveOptions())
    while page is not None:
        for found in page.objects:
            for missing in found.missingSet:
                if not is_kind(fault_from(missing.fault), Kind.PERMISSION):
                    raise missing.fault
            yield {each.name: each.val for each in found.propSet}
        page = content.propertyCollector.ContinueRetrievePropertiesEx(page.token) if page.token else None

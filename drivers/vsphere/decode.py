"""vCenter's properties of a VM as a `Vm`. Pure: it is given pyVmomi's classes instead of importing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.vsphere.convert import KEPT_KEYS, Controller, Disk, File, Vm, parse_path

Properties = Mapping[str, Any]  # property path -> value; a property that is not set is not there
_CHAIN = 256  # more than the longest snapshot chain that vSphere allows (32)


@dataclass(frozen=True, slots=True)
class Kinds:
    disk: type[Any]
    controller: type[Any]
    paravirtual: type[Any]


def decode_vm(ref: str, properties: Properties, kinds: Kinds) -> Vm:
    host = properties.get("runtime.host")
    devices = properties.get("config.hardware.device") or ()
    return Vm(
        ref=ref,
        name=str(properties.get("name", ref)),
        uuid=str(properties.get("config.uuid") or ""),
        power=str(properties.get("runtime.powerState", "")),
        connection=str(properties.get("runtime.connectionState", "")),
        host=host._moId if host is not None else None,  # noqa: SLF001 - pyVmomi has no other name for it
        change_version=str(properties.get("config.changeVersion") or ""),
        extra=_extra(properties.get("config.extraConfig") or ()),
        disks=tuple(disk for device in devices if (disk := _disk(device, kinds)) is not None),
        controllers=_controllers(devices, kinds),
        readable="config.uuid" in properties,
        datastores=frozenset(found._moId for found in properties.get("datastore") or ()),  # noqa: SLF001
    )


def _extra(options: Any) -> dict[str, str]:
    # The simulator appends where vCenter replaces: the last value counts in both.
    kept = {}
    for option in options:
        key = str(option.key)
        if key.lower() in KEPT_KEYS:
            kept[key.lower()] = str(option.value)
    return kept


def _disk(device: Any, kinds: Kinds) -> Disk | None:
    if not isinstance(device, kinds.disk):
        return None
    backing = getattr(device, "backing", None)
    uuid = getattr(backing, "uuid", None)
    files: list[File] = []
    while backing is not None and len(files) < _CHAIN:
        file = _file(backing)
        if file is not None:
            files.append(file)
        backing = getattr(backing, "parent", None)
    unit = getattr(device, "unitNumber", None)
    return Disk(
        key=int(getattr(device, "key", 0)),
        controller=int(getattr(device, "controllerKey", None) or 0),
        unit=-1 if unit is None else int(unit),
        files=tuple(files),
        uuid=uuid or None,
    )


def _file(backing: Any) -> File | None:
    parsed = parse_path(getattr(backing, "fileName", None) or "")
    if parsed is None:
        return None
    datastore = getattr(backing, "datastore", None)
    return File(parsed[0] if datastore is None else datastore._moId, parsed[1])  # noqa: SLF001


def _controllers(devices: Any, kinds: Kinds) -> tuple[Controller, ...]:
    taken: dict[int, set[int]] = defaultdict(set)
    for device in devices:
        key, unit = getattr(device, "controllerKey", None), getattr(device, "unitNumber", None)
        if key is not None and unit is not None:
            taken[key].add(unit)
    return tuple(
        Controller(device.key, device.busNumber, isinstance(device, kinds.paravirtual), frozenset(taken[device.key]))
        for device in devices
        if isinstance(device, kinds.controller)
    )

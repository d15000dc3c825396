"""vCenter's properties of a VM as a `Vm`. Pure: it is given pyVmomi's classes instead of importing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.guests import GuestAddresses
from drivers.vsphere.inventory import CONNECTED, FORBIDDEN, KEPT_KEYS, Controller, Disk, File, Vm, parse_path
from drivers.vsphere.inventory.place import below_mount

Properties = Mapping[str, Any]  # property path -> value; a property that is not set is not there
DENIED = "denied"  # in place of what the user may not read
_ALONE = "noSharing"
_CHAIN = 256  # more than the longest snapshot chain that vSphere allows (32)


@dataclass(frozen=True, slots=True)
class Kinds:
    disk: type[Any]
    controller: type[Any]
    paravirtual: type[Any]


def decode_vm(ref: str, properties: Properties, kinds: Kinds) -> Vm:
    host = properties.get("runtime.host")
    devices = properties.get("config.hardware.device") or ()
    version = _said(properties, "config.changeVersion")
    return Vm(
        ref=ref,
        name=_as_people_see(str(properties.get("name", ref))),
        uuid=_said(properties, "config.uuid"),
        power=_said(properties, "runtime.powerState"),
        connection=_said(properties, "runtime.connectionState"),
        host=host._moId if host is not None else None,  # noqa: SLF001 - pyVmomi has no other name for it
        change_version=version,
        extra=_extra([*(properties.get("config.extraConfig") or ()), *_keyed(properties)]),
        disks=_disks(devices, kinds),
        controllers=_controllers(devices, kinds),
        unread=_unread(properties, devices, version) or _strange(devices, kinds),
        disk_uuids=bool(properties.get("config.flags.diskUuidEnabled")),
        datastores=frozenset(found._moId for found in properties.get("datastore") or ()),  # noqa: SLF001
    )


def _said(properties: Properties, name: str) -> str:
    return str(properties.get(name) or "")


def _as_people_see(name: str) -> str:
    """VCenter writes three characters of names otherwise than its client shows them."""
    for written, shown in (("%2f", "/"), ("%5c", "\\"), ("%25", "%")):
        name = name.replace(written, shown).replace(written.upper(), shown)
    return name


def _unread(properties: Properties, devices: Any, version: str) -> str:
    """
    What vCenter did not tell, or "".

    While a host loses its power, vCenter may show a VM that is connected and has no devices at all; a real one has
    controllers, a keyboard, a video card.
    """
    if DENIED in properties:
        return FORBIDDEN
    if "config.uuid" not in properties:
        return "no configuration"
    if not devices:
        return "an empty device list"
    return "" if version else "a configuration without a version"


def _keyed(properties: Properties) -> list[Any]:
    """Settings that were asked for one by one, as ``config.extraConfig["reberth.epoch"]``."""
    return [value for path, value in properties.items() if path.startswith("config.extraConfig[")]


def _extra(options: Any) -> dict[str, str]:
    # The simulator appends where vCenter replaces: the last value counts in both.
    kept = {}
    for option in options:
        key, value = str(option.key).lower(), option.value
        if key in KEPT_KEYS:
            kept[key] = "" if value is None else str(value)
    # One that is set to nothing is not set: vCenter deletes it, others keep it.
    return {key: value for key, value in kept.items() if value}


def _disks(devices: Any, kinds: Kinds) -> tuple[Disk, ...]:
    others = {getattr(device, "key", None) for device in devices if not isinstance(device, kinds.controller)}
    return tuple(disk for device in devices if (disk := _disk(device, kinds, others)) is not None)


def _disk(device: Any, kinds: Kinds, others: Container[Any]) -> Disk | None:
    """``others``: keys of what is no SCSI controller."""
    if not isinstance(device, kinds.disk):
        return None
    backing = getattr(device, "backing", None)
    unit = getattr(device, "unitNumber", None)
    return Disk(
        key=int(device.key or 0),
        controller=int(device.controllerKey or 0),
        unit=-1 if unit is None else int(unit),
        files=_chain(backing),
        uuid=getattr(backing, "uuid", None) or None,
        name=_text(backing, "fileName"),
        capacity_kib=int(device.capacityInKB or 0),
        mode=_text(backing, "diskMode"),
        scsi=device.controllerKey not in others,
    )


def _chain(backing: Any) -> tuple[File, ...]:
    return tuple(file for each in _backings(backing) if (file := file_of(each)) is not None)


def _backings(backing: Any) -> Iterator[Any]:
    """Of a disk, the top first."""
    for _ in range(_CHAIN):
        if backing is None:
            return
        yield backing
        backing = getattr(backing, "parent", None)


def _strange(devices: Any, kinds: Kinds) -> str:
    """
    A file whose name is of no form that is known may be one of ours.

    Where the form is known and the place is not told (``[]``), the pin says whose it is.
    """
    disks = (each for each in devices if isinstance(each, kinds.disk))
    names = (_text(each, "fileName") for disk in disks for each in _backings(getattr(disk, "backing", None)))
    strange = (name for name in names if name and not name.startswith("[") and parse_path(name) is None)
    return next((f"a disk whose file is called {name}" for name in strange), "")


def _text(backing: Any, name: str) -> str:
    return str(getattr(backing, name, None) or "")


def file_of(backing: Any) -> File | None:
    """Of a file by its mount alone, the datastore that is told beside it says which one the mount is."""
    parsed = parse_path(_text(backing, "fileName"))
    if parsed is None:
        return None
    datastore = getattr(backing, "datastore", None)
    if datastore is None:
        return File(*parsed)
    return File(datastore._moId, parsed[1] if parsed[0] else below_mount(parsed[1]))  # noqa: SLF001


def _controllers(devices: Any, kinds: Kinds) -> tuple[Controller, ...]:
    taken: dict[int, set[int]] = defaultdict(set)
    for device in devices:
        key, unit = getattr(device, "controllerKey", None), getattr(device, "unitNumber", None)
        if key is not None and unit is not None:
            taken[key].add(unit)
    return tuple(
        Controller(
            device.key,
            device.busNumber,
            isinstance(device, kinds.paravirtual),
            frozenset(taken[device.key]),
            shared=str(getattr(device, "sharedBus", None) or _ALONE) != _ALONE,
        )
        for device in devices
        if isinstance(device, kinds.controller)
    )


def runs(properties: Properties) -> bool:
    """Whether the VM is on, or may be, for all that can be told."""
    return properties.get("runtime.powerState") != "poweredOff"


def decode_guest(properties: Properties) -> GuestAddresses | None:
    """
    What VMware Tools say of a VM's addresses: of all its network cards at once, and of what is built on them.

    Of a VM whose host is not seen, or whose tools do not run (any more), vCenter may show what was; a bridge alone,
    while no card has an address yet, says nothing either (a device of the guest's own has no key of the VM's).
    """
    if _stale(properties):
        return None
    cards = [each for each in properties.get("guest.net") or () if each.ipAddress]
    if all((each.deviceConfigId or 0) <= 0 for each in cards):
        return None
    found = [_said(properties, "guest.ipAddress"), *(str(text) for each in cards for text in each.ipAddress)]
    return GuestAddresses(tuple(dict.fromkeys(filter(None, found))), whole=True)


def _stale(properties: Properties) -> bool:
    stopped = properties.get("guest.toolsRunningStatus") == "guestToolsNotRunning"
    return stopped or properties.get("runtime.connectionState") != CONNECTED


def joined(guests: Sequence[GuestAddresses | None]) -> GuestAddresses | None:
    """Of all VMs that may be the one that is meant: of nothing less can it be said that an address is none of it."""
    if not guests or None in guests:
        return None
    return GuestAddresses(tuple(text for each in guests if each is not None for text in each.known), whole=True)

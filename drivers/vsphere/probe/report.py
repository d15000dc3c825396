"""A report's form, and the names in it: invented ones, the same for the same thing within one report. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from uuid import UUID, uuid5

import msgspec

from controller.model import VmId
from drivers.vsphere.inventory import Controller, Disk, Place, Vm, find, key_of, normal_uuid, ours, shows_uuids

FORMAT = 1
_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}\b", re.IGNORECASE)
_HOSTNAME = re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)+\.[a-z]{2,}\b", re.IGNORECASE)
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_SHORTEST = 3  # names of fewer letters are in too many words


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One question. ``asks``: what the answer decides; ``said``: the answer, or the fault."""

    name: str
    asks: str
    ok: bool
    seconds: float
    said: str


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A disk of a VM. ``ours``: a volume's; ``files``: how many, more than one under a snapshot."""

    bus: int
    unit: int
    ours: str | None
    files: int
    size_kib: int
    mode: str
    has_uuid: bool


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    uuid: str
    power: str
    connection: str
    host: str | None
    unread: str
    shows_uuids: bool
    stamped: bool
    controllers: tuple[tuple[int, bool], ...]  # bus, paravirtual
    disks: tuple[Slot, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    product: str
    reberth: str
    steps: tuple[Step, ...]
    machines: tuple[Machine, ...]
    hosts: dict[str, str]  # name -> connection


class Names:
    """``salt``: random, of this report alone."""

    def __init__(self, salt: UUID) -> None:
        self._salt = salt
        self._given: dict[tuple[str, str], str] = {}
        self._counts: defaultdict[str, int] = defaultdict(int)

    def name(self, kind: str, real: str) -> str:
        if (kind, real) not in self._given:
            self._counts[kind] += 1
            self._given[kind, real] = f"{kind}{self._counts[kind]:02}"
        return self._given[kind, real]

    def uuid(self, real: str) -> str:
        return str(uuid5(self._salt, real.lower())) if real else ""

    def scrub(self, text: str) -> str:
        """What a server says, without the names that are known, and without addresses, host names and UUIDs."""
        known = sorted(self._given.items(), key=lambda item: -len(item[0][1]))
        for (_, real), given in known:
            if len(real) >= _SHORTEST:
                text = text.replace(real, given)
        text = _UUID.sub(lambda found: self.uuid(found[0]), text)
        return _HOSTNAME.sub("HOST", _ADDRESS.sub("ADDRESS", text))


def machine(vm: Vm, place: Place, names: Names) -> Machine:
    buses = {each.key: each.bus for each in vm.controllers}
    return Machine(
        name=names.name("vm", vm.name),
        uuid=names.uuid(vm.uuid),
        power=vm.power,
        connection=vm.connection,
        host=None if vm.host is None else names.name("host", vm.host),
        unread=vm.unread,
        shows_uuids=shows_uuids(vm),
        stamped=bool(vm.extra.get("reberth.epoch")),
        controllers=tuple(_controller(each) for each in vm.controllers),
        disks=tuple(_slot(each, buses, place, names) for each in vm.disks),
    )


def _controller(found: Controller) -> tuple[int, bool]:
    return found.bus, found.paravirtual


def _slot(disk: Disk, buses: dict[int, int], place: Place, names: Names) -> Slot:
    mine = next((name for file in disk.files if (name := place.find(file)) is not None), None)
    return Slot(
        bus=buses.get(disk.controller, -1),
        unit=disk.unit,
        ours=None if mine is None else names.name("volume", key_of(mine)),
        files=len(disk.files),
        size_kib=disk.capacity_kib,
        mode=disk.mode,
        has_uuid=disk.uuid is not None,
    )


def scratch_vm(vms: list[Vm], wanted: str, place: Place) -> Vm | str:
    """The VM to try things on, by name or SMBIOS UUID, or why it is none."""
    found = [vm for vm in vms if wanted.lower() in {vm.name.lower(), vm.uuid.lower()}]
    if len(found) != 1:
        return f"{len(found)} VMs are called {wanted}: give the name or the SMBIOS UUID of one test VM"
    vm = found[0]
    if ours(vm, place) or vm.extra.get("reberth.vm"):
        return f"{wanted} has or had volumes of a swarm: take a VM that is no node"
    return vm if find(vms, VmId(normal_uuid(vm.uuid))) is vm else f"the SMBIOS UUID of {wanted} is another VM's too"

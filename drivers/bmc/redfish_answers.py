"""What a Redfish service's documents say (DMTF DSP0268, ComputerSystem and ComputerSystemCollection). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from controller.model import Power
from drivers.bmc.errors import Unread
from drivers.shared.smbios import normal_uuid, orders

T = TypeVar("T")

SYSTEMS = "/redfish/v1/Systems"
FORCE_OFF = "ForceOff"
_MOST = 128  # members of one collection


class Link(msgspec.Struct, frozen=True):
    path: str = msgspec.field(name="@odata.id")


class Collection(msgspec.Struct, frozen=True):
    members: list[Link] = msgspec.field(name="Members")
    rest: str | None = msgspec.field(name="Members@odata.nextLink", default=None)


class Reset(msgspec.Struct, frozen=True):
    target: str
    allowed: list[str] | None = msgspec.field(name="ResetType@Redfish.AllowableValues", default=None)


class Actions(msgspec.Struct, frozen=True):
    reset: Reset | None = msgspec.field(name="#ComputerSystem.Reset", default=None)


class System(msgspec.Struct, frozen=True):
    """``power``: PowerState as it is written, whatever it is."""

    uuid: str | None = msgspec.field(name="UUID", default=None)
    power: object = msgspec.field(name="PowerState", default=None)
    actions: Actions | None = msgspec.field(name="Actions", default=None)

    @property
    def identity(self) -> str:
        """Empty where the BMC does not tell one that is worth anything."""
        return normal_uuid(self.uuid or "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings say about a BMC's machine: its UUID, and the path of its system, if they do."""

    vm: str | None
    system: str | None


def members(body: bytes) -> list[str]:
    """Paths of all systems behind the BMC. Raises Unread: a part is not the whole."""
    listed = _decoded(body, Collection)
    if listed.rest is not None or len(listed.members) > _MOST:
        raise Unread(f"it lists more systems than {len(listed.members)}: name the one in the settings, system = ...")
    return [path(each.path) for each in listed.members]


def path(text: str) -> str:
    """A path on the same server: a document may not send us, with our password, to another. Raises Unread."""
    if not text.startswith("/") or text.startswith("//") or not text.isprintable():
        raise Unread(f"it names {text[:80]!r} where a path on the same server belongs")
    return text


def system(body: bytes) -> System:
    return _decoded(body, System)


def power(found: System) -> Power:
    """Only these two words count; PoweringOff, Paused, null, another case or none are UNKNOWN."""
    return {"On": Power.ON, "Off": Power.OFF}.get(str(found.power), Power.UNKNOWN)


def reset_target(found: System) -> str:
    """Where to post ForceOff. Raises Unread where the system does not offer it: some answer 204 to any word."""
    reset = None if found.actions is None else found.actions.reset
    if reset is None:
        raise Unread("its system offers no action #ComputerSystem.Reset to this user")
    if reset.allowed is not None and FORCE_OFF not in reset.allowed:
        raise Unread(f"its system offers no ForceOff, only {', '.join(reset.allowed)[:200]}")
    return path(reset.target)


def named(systems: Mapping[str, System], wanted: Wanted) -> Mapping[str, tuple[str, System]]:
    """
    UUID -> path and system: by what the BMC tells, or, where the settings name one machine, that one, checked.

    Raises Unread where what the settings say is not what the BMC says, or does not say enough.
    """
    return _told(systems) if wanted.vm is None else {normal_uuid(wanted.vm): _chosen(systems, wanted.vm)}


def _told(systems: Mapping[str, System]) -> Mapping[str, tuple[str, System]]:
    found: dict[str, tuple[str, System]] = {}
    for where, each in systems.items():
        if each.identity in found:
            raise Unread(f"it has two systems with the UUID {each.identity}: give each its vm and system")
        if each.identity:
            found[each.identity] = (where, each)
    return found


def _chosen(systems: Mapping[str, System], vm: str) -> tuple[str, System]:
    """Where UUIDs are told, they decide; one that is not told is believed only if there is no choice."""
    fitting = {where: each for where, each in systems.items() if each.identity in orders(vm)}
    silent = {where: each for where, each in systems.items() if not each.identity}
    chosen = fitting or (silent if len(systems) == 1 else {})
    if len(chosen) != 1:
        tells = ", ".join(sorted(each.identity or "none" for each in systems.values()))
        raise Unread(f"the settings say that it has the machine {vm}; the UUIDs that it tells: {tells}")
    return next(iter(chosen.items()))


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # a ValidationError is a DecodeError
        raise Unread(f"its answer is no {kind.__name__} as Redfish has it: {error}") from None

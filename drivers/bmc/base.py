"""What every way to a BMC offers, and what the settings of all have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import msgspec

from controller.model import Power, VmId
from drivers.shared.settings import SettingsError
from drivers.shared.smbios import normal_uuid, orders

Seconds = Annotated[float, msgspec.Meta(ge=0.5, le=600)]
SHORTEST_WATCH = 0.1  # a BMC is a slow computer: asked all the time it answers nobody
T = TypeVar("T", bound="Timing")


class Bmc(Protocol):
    """One management controller. It may have several machines: blades, or an emulator's VMs."""

    @property
    def name(self) -> str:
        """For people: an address."""
        ...

    async def read(self) -> Mapping[str, Power]:
        """UUID -> power, of each machine that it has, read now. Raises Unread."""
        ...

    async def order_off(self, uuid: str) -> None:
        """Ask for power off. What comes of it is read after. Raises Unread."""
        ...


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Times of all of these drivers, in seconds."""

    deadline: Seconds = 4.0
    """For all that is asked of one BMC in one look; then its machines are unknown. Two looks fit into the controller's
    ``loop.read_deadline``."""

    off_deadline: Seconds = 40.0
    """Until a machine that was told to power off is read as off; under the controller's ``loop.call_deadline``."""

    watch_every: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    """Between two looks at all machines by each controller, to notice a power-off before Swarm does; 0: none."""


def parse(raw: Mapping[str, object], kind: type[T]) -> T:
    """Raises SettingsError."""
    try:
        timing = msgspec.convert(dict(raw), kind, strict=False)  # variables are strings
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None
    if 0 < timing.watch_every < SHORTEST_WATCH:
        raise SettingsError(f"watch_every ({timing.watch_every:g}) must be 0 (none) or {SHORTEST_WATCH:g} to 3600")
    return timing


def read_secret(path: str) -> str:
    """The first line of a file, such as a Docker secret; read at each use, so that a new one counts at once."""
    text = Path(path).read_text("utf-8").rstrip("\r\n")
    if not text or "\n" in text or "\0" in text:
        raise SettingsError(f"{path} must hold one line: the secret and nothing else")
    return text


def check_vms(vms: Iterable[str]) -> None:
    """Raises SettingsError unless each is a UUID of its own, in either byte order."""
    seen: dict[str, str] = {}
    for vm in vms:
        both = orders(vm)
        if not both:
            raise SettingsError(
                f"vm = {vm!r} is no machine's UUID: write what /sys/class/dmi/id/product_uuid says on the node"
            )
        twin = next((seen[each] for each in both if each in seen), None)
        if twin is not None:
            raise SettingsError(f"two machines have the vm {twin} (also as {vm}): each has its own")
        seen |= dict.fromkeys(both, vm)


def own_uuid(vm: str) -> VmId:
    return VmId(normal_uuid(vm))

"""
IPMI 2.0 over LAN, by the program ipmitool.

The BMC tells no identity that could be relied on, so the settings name each machine. Passwords go by a file that
ipmitool reads itself: never in its arguments or its environment. A wrong password and a BMC that is away look alike.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from typing import Annotated

import msgspec

from controller.model import Power
from drivers.bmc.base import Timing, check_vms, own_uuid, parse, read_secret
from drivers.bmc.driver import BmcDriver
from drivers.bmc.errors import Unread
from drivers.shared.programs import run
from drivers.shared.settings import SettingsError

_STATES = {"Chassis Power is on": Power.ON, "Chassis Power is off": Power.OFF}
_LOST = "Unable to establish IPMI v2 / RMCP+ session"


class MachineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    vm: str
    """The machine's UUID: /sys/class/dmi/id/product_uuid on the node."""

    address: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.:_-]*$")]
    """Of its BMC."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 623
    user_file: str | None = None
    password_file: str | None = None


class Settings(Timing, frozen=True, kw_only=True):
    """The section ``[power.ipmi]``; a machine's own files come before the common ones."""

    machines: Annotated[list[MachineSettings], msgspec.Meta(min_length=1)]
    user_file: str | None = None
    password_file: str | None = None
    program: str = "ipmitool"
    cipher_suite: Annotated[int, msgspec.Meta(ge=0, le=17)] | None = None
    """ipmitool's -C; default: what it finds out by itself (17, then 3)."""


class Ipmi:
    """One machine's BMC."""

    def __init__(self, machine: MachineSettings, settings: Settings) -> None:
        self.name = f"{machine.address}:{machine.port}"
        self._uuid = own_uuid(machine.vm)
        self._settings = settings
        user, password = machine.user_file or settings.user_file, machine.password_file or settings.password_file
        if user is None or password is None:
            raise SettingsError(f"{self.name}: user_file and password_file are needed, here or for all machines")
        self._user_file, self._password_file = user, password
        read_secret(user)
        read_secret(password)
        suite = [] if settings.cipher_suite is None else ["-C", str(settings.cipher_suite)]
        # One request, one repetition a second later: longer waits are the driver's, which looks again.
        self._options = ["-I", "lanplus", "-H", machine.address, "-p", str(machine.port), "-N", "1", "-R", "2", *suite]

    async def read(self) -> Mapping[str, Power]:
        said = await self._ask("status")
        power = _STATES.get(said.strip())
        if power is None:
            raise Unread(f"it says {said.strip()[:80]!r} about the power")
        return {self._uuid: power}

    async def order_off(self, uuid: str) -> None:
        if uuid != self._uuid:
            raise Unread(f"it has no machine {uuid}")
        await self._ask("off")

    async def _ask(self, what: str) -> str:
        try:
            user = read_secret(self._user_file)
            argv = [self._settings.program, *self._options, "-U", user, "-f", self._password_file]
            ran = await run([*argv, "-L", "OPERATOR", "chassis", "power", what])
        except (OSError, SettingsError) as error:
            raise Unread(f"it cannot be asked: {error}") from None
        if ran.code != 0:
            told = re.sub(r"^Error: ", "", ran.errors) or f"ipmitool ended with {ran.code}"
            more = ": it is away, or user or password are wrong" if _LOST in told else ""
            raise Unread(told[:200] + more)
        return ran.output


def create(raw: Mapping[str, object]) -> BmcDriver:
    settings = parse(raw, Settings)
    check_vms(each.vm for each in settings.machines)
    places = [(each.address.lower(), each.port) for each in settings.machines]
    if twice := sorted({f"{host}:{port}" for host, port in places if places.count((host, port)) > 1}):
        raise SettingsError(f"two machines have the BMC {twice[0]}: one of them has another")
    if shutil.which(settings.program) is None:
        raise SettingsError(
            f"there is no program {settings.program}: build the image with --build-arg EXTRA_PACKAGES=ipmitool"
        )
    return BmcDriver([Ipmi(each, settings) for each in settings.machines], settings)

"""What an administrator says about the LUNs, checked before anything is opened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated

import msgspec

from controller.model import VmId
from controller.reservations.keys import shown, who_is
from controller.reservations.plate import valid_pool
from drivers.shared.settings import SettingsError
from drivers.shared.smbios import normal_uuid

Seconds = Annotated[float, msgspec.Meta(ge=0.5, le=600)]
_LUN = re.compile(r"wwn-0x([0-9a-f]{16}|[0-9a-f]{32})\Z")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The section ``[storage.lun]``."""

    pool: str
    """A name for these LUNs together, another one for each swarm; it is in each LUN's nameplate. Never change it."""

    luns: tuple[str, ...]
    """Each LUN as /dev/disk/by-id names it: wwn-0x and its WWN. All of them: one that is away must be missed."""

    vms: tuple[str, ...]
    """The UUID of each node's machine (SMBIOS). The LUNs know nodes by digests of these."""

    folder: Annotated[str, msgspec.Meta(pattern=r"^/[!-~]+$")] = "/dev/disk/by-id"
    """Where managers have the LUNs by an initiator of the controllers' own; default /dev/disk/by-id, for managers on
    which no task with a volume runs. See docs/luns.md."""

    look_timeout: Seconds = 8.0
    """Seconds for reading one LUN; default 8, less than the loop's read_deadline, so that the reason has our words."""

    call_timeout: Seconds = 30.0
    """Seconds for one change; then it is in doubt; default 30, less than the loop's call_deadline."""

    @staticmethod
    def parse(raw: Mapping[str, object]) -> Settings:
        given = dict(raw)
        for name in ("luns", "vms"):
            if isinstance(given.get(name), str):  # from a variable
                given[name] = str(given[name]).split()
        try:
            settings = msgspec.convert(given, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"lun settings: {error}") from None
        settings.check()
        return settings

    @property
    def machines(self) -> Mapping[int, VmId]:
        """By what their keys say."""
        return {who_is(vm): vm for vm in (VmId(normal_uuid(each)) for each in self.vms)}

    def check(self) -> None:
        if not valid_pool(self.pool):
            raise SettingsError(f"lun settings: pool is {self.pool!r}: use up to 63 letters, digits, dots and hyphens")
        for each in self.luns:
            if not _LUN.match(each):
                raise SettingsError(
                    f"lun settings: {each!r} in luns is no LUN: write it as in /dev/disk/by-id, such as "
                    "wwn-0x60014051234567890abcdef012345678, and no partition of it"
                )
        for each in self.vms:
            if not normal_uuid(each):
                raise SettingsError(
                    f"lun settings: {each!r} in vms is no UUID of one machine: write what "
                    "/sys/class/dmi/id/product_uuid says on the node"
                )
        self._check_lists()

    def _check_lists(self) -> None:
        for name, listed in (("luns", self.luns), ("vms", tuple(map(normal_uuid, self.vms)))):
            if not listed:
                raise SettingsError(f"lun settings: {name} is empty: name each")
            twice = [each for each, count in Counter(listed).items() if count > 1]
            if twice:
                raise SettingsError(f"lun settings: {name} has {twice[0]} twice: remove one")
        alike = [
            who for who, count in Counter(who_is(VmId(normal_uuid(each))) for each in self.vms).items() if count > 1
        ]
        if alike:
            raise SettingsError(
                f"lun settings: two of vms have the same digest ({shown(alike[0])}), so that their keys could not be "
                "told apart: give one of these machines another UUID"
            )

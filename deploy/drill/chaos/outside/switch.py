"""What switches a node off and on: commands of the operator's, or Reberth's own power driver for off."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.model import Power, VmId
from controller.settings import Settings, SettingsError, read
from deploy.drill.chaos.outside.settings import NODE, OutsideSettings
from deploy.drill.errors import DrillError
from drivers.base import DriverError, PowerDriver
from drivers.loading import LoadingError, load_power

SECONDS = 120.0  # for one command


@dataclass(frozen=True, slots=True)
class Switched:
    """A node. ``vm``: its machine, as Reberth knows it."""

    name: str
    address: str
    vm: str


class Switch(Protocol):
    def __call__(self, node: Switched) -> None:
        """Raises DrillError."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """Of a shell, with the node's name in place of {node}. Done when it ends with 0."""

    text: str

    def __call__(self, node: Switched) -> None:
        words = self.text.replace(NODE, shlex.quote(node.name)).replace("{address}", shlex.quote(node.address))
        try:
            done = subprocess.run(
                ["sh", "-c", words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise DrillError(f"`{words}` has not ended in {SECONDS:.0f} s") from error
        if done.returncode != 0:
            raise DrillError(f"`{words}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")


@dataclass(frozen=True, slots=True)
class DriversPower:
    """A driver of its own for each call: none is kept open over a fault that may last."""

    name: str
    settings: Mapping[str, object]

    def __call__(self, node: Switched) -> None:
        if not node.vm:
            raise DrillError(f"Reberth does not know which machine {node.name} is")
        try:
            found = asyncio.run(self._off(VmId(node.vm)))
        except DriverError as error:
            raise DrillError(f"{node.name} cannot be switched off: {error}") from error
        if found is not Power.OFF:
            raise DrillError(f"{node.name} was switched off and is read as {found}")

    def driver(self) -> PowerDriver:
        try:
            return load_power(self.name, self.settings)
        except LoadingError as error:
            raise DrillError(str(error)) from error

    async def _off(self, vm: VmId) -> object:
        driver = self.driver()
        try:
            return await driver.power_off(vm)
        finally:
            await driver.close()


def off_by(settings: OutsideSettings) -> Switch | None:
    """Raises DrillError for a file that cannot be used: nothing is made then."""
    if not settings.power:
        return Command(settings.switch_off) if settings.switch_off else None
    try:
        found: Settings = read({"REBERTH_CONFIG": settings.power})
    except SettingsError as error:
        raise DrillError(f"--power: {error}") from error
    section = found.power if found.power.driver else found.storage
    if not section.driver:
        raise DrillError(f"--power: {settings.power} names no driver, neither in [power] nor in [storage]")
    made = DriversPower(section.driver, section.own())
    made.driver()
    return made

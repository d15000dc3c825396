"""
Volumes whose disk is in the storage, and which no record of this swarm knows: it was made anew, or lost a record.

An external volume's name is all that Docker says of it: to a no it would start the container on an empty local volume
(ARCHITECTURE.md#the-laws, 5). So the storage's list is asked; after a yes the Mount is refused, with what to do.
"""

from __future__ import annotations

import asyncio

from controller.model import VolumeKey, VolumeName
from controller.reconciler.state import LoopState, Unrecorded
from controller.volumes.naming import life_prefix, volume_key
from drivers.base import DriverError, StorageDriver

SECONDS = 3.0  # a gate gives up after 5 s, and Docker makes a local volume then
KEPT_SECONDS = 10.0


class UnrecordedDisks:
    """``driver`` None: there is no storage that could have a disk."""

    def __init__(self, state: LoopState, driver: StorageDriver | None) -> None:
        self._state = state
        self._driver = driver
        self._asking = asyncio.Lock()
        self._listed: tuple[float, frozenset[VolumeKey]] | None = None

    async def of(self, name: VolumeName) -> Unrecorded | None:
        """
        What to do about the disk of a name that has no record; None where there is no disk. Raises DriverError.

        Every local volume that a container of any node makes leads here: so the storage is not asked for each.
        """
        if self._driver is None:
            return None
        beginning = life_prefix(volume_key(name))
        try:
            async with asyncio.timeout(SECONDS):
                found = await self._found(self._driver, beginning)
        except TimeoutError as error:
            raise DriverError("the storage does not answer") from error
        told = _told(name, found) if found else None
        self._state.unrecorded_is(name, told)
        return told

    async def _found(self, driver: StorageDriver, beginning: str) -> list[VolumeKey]:
        """A disk that the last list has is looked for again: it may have been deleted since, with its record."""
        now = self._state.clock()
        async with self._asking:
            if self._listed is None or now - self._listed[0] > KEPT_SECONDS:
                self._listed = self._state.clock(), frozenset(await driver.keys(""))
        if not any(key.startswith(beginning) for key in self._listed[1]):
            return []
        return [*await driver.keys(beginning)]


def _told(name: VolumeName, keys: list[VolumeKey]) -> Unrecorded:
    return Unrecorded(
        f"no record of this swarm has volume {name}, but the storage has a disk of that name ({', '.join(keys)}), "
        "which may hold its data",
        f"To have that data again: `reberth adopt {name} --disk {keys[-1]} --size SIZE` on a manager, with the size "
        "that it was made with, if no other swarm uses it. For a volume of Docker's own take another name.",
    )

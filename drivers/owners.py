"""
Whose the places are where disks lie: each bears the IDs of the swarms that it belongs to.

Two swarms in one folder would list, take and delete each other's disks, and each would be right by all that it knows.
So the first leader that looks notes its swarm's ID there, and one of another swarm does nothing from then on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import structlog

from controller.model import Epoch, VolumeKey
from drivers.base import Done, Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Owners:
    """By place, as people know it, like "the pool reberth". ``gaps``: why others cannot be read now."""

    each: Mapping[str, frozenset[str]] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


@runtime_checkable
class Marked(Protocol):
    """What a storage driver may have beside: it can note in the places of its disks which swarm they belong to."""

    async def owners(self) -> Owners:
        """The IDs that are noted. Raises DriverError."""
        ...

    async def mark(self, swarm: str) -> Outcome:
        """Note this ID, wherever it is not noted yet and that can be."""
        ...

    async def unmark(self, swarm: str) -> Outcome:
        """Take this ID away everywhere."""
        ...


class Searched(Marked, Protocol):
    """A place that can be searched for disks, too, as any `drivers.base.StorageDriver` can."""

    async def keys(self, beginning: str) -> Sequence[VolumeKey]: ...


class Home:
    """
    Whether this swarm may use the places of its driver, asked once in each epoch, and until all of them were seen.

    A folder below which nothing is mounted looks like a new place: empty, and without a note. So where volumes have
    disks, a place with neither is none of ours, and gets no note.

    ``swarm``: the ID of this one. ``replaced``: those of swarms that are no more, whose places are this one's now.
    """

    def __init__(self, driver: Searched, swarm: Callable[[], Awaitable[str]], replaced: Collection[str] = ()) -> None:
        self._driver = driver
        self._swarm = swarm
        self._replaced = frozenset(replaced)
        self._settled: Epoch | None = None

    async def refusal(self, epoch: Epoch, disks: Callable[[], int]) -> str:
        """
        Why it may not, or "". Raises DriverError, and what ``swarm`` raises.

        ``disks`` tells how many there are by the records of this swarm's volumes.
        """
        if epoch == self._settled:
            return ""
        own = await self._swarm()
        found = await self._driver.owners()
        if why := _foreign(found, own, self._replaced):
            return why
        if own not in self._replaced and (why := await self._emptied(found, disks)):
            return f'{why}; if they are gone for good, put replaces_swarm = "{own}" into reberth.toml'
        if any(own not in ids for ids in found.each.values()):
            await self._note(self._driver.mark(own), own)
            # Another swarm may have looked and noted its own in the same moment: then at least one of the two sees it.
            found = await self._driver.owners()
            if why := _foreign(found, own, self._replaced):
                return why
        for gone in self._replaced & frozenset[str]().union(*found.each.values()) - {own}:
            await self._note(self._driver.unmark(gone), gone)
        if not found.gaps:
            self._settled = epoch
        return ""

    async def _emptied(self, found: Owners, disks: Callable[[], int]) -> str:
        if not found.each or any(found.each.values()) or not (wanted := disks()) or await self._driver.keys(""):
            return ""
        return (
            f"{' and '.join(found.each)}: empty, without this swarm's note, and its volumes have {wanted} disks. "
            "Most likely a file system is not mounted there now: mount it. Nothing is done until the disks are there"
        )

    async def _note(self, act: Awaitable[Outcome], swarm: str) -> None:
        outcome = await act
        if not isinstance(outcome, Done):  # a full folder, or a right that is missing: no reason to hold volumes
            log.warning("swarm.unmarked", swarm=swarm, why=outcome.why)


def _foreign(found: Owners, own: str, replaced: frozenset[str]) -> str:
    said = [
        f"{place} belongs to the swarm {' and '.join(sorted(others))}"
        for place, ids in found.each.items()
        if (others := ids - replaced - {own})
    ]
    if not said:
        return ""
    return (
        f"{'; '.join(said)}, and this is the swarm {own}: each would take and delete the other's disks, so nothing is "
        "done. Give this swarm a place of its own; if the other one is no more and this one was made in its place, put "
        'replaces_swarm = "ID" with that ID into reberth.toml (docs/failures.md)'
    )

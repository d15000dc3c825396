"""The notes in our folders that say which swarm they belong to: a small disk, as files are all that vCenter finds."""

from __future__ import annotations

from typing import Protocol

import structlog

from drivers.base import Done, Outcome
from drivers.owners import Owners
from drivers.shared.faults import CallError, NotSent
from drivers.shared.outcomes import failure
from drivers.vsphere.faults import Fault, Kind, is_kind
from drivers.vsphere.inventory import OWNERS, Found, Place, owners_of

log = structlog.get_logger()
_KIB = 1024
_NEVER = {Kind.PERMISSION, Kind.INVALID, Kind.DISABLED, Kind.LICENSE, Kind.UNKNOWN}  # will be told, most likely


class Calls(Protocol):
    """What it needs of vCenter; each may raise `NotSent`, `Doubt` or `Fault`."""

    async def place(self) -> Place: ...

    async def files(self, at: Place, pattern: str) -> tuple[Found, ...]: ...

    async def make_folder(self, at: Place) -> None: ...

    async def create_disk(self, path: str, size_kib: int, disk_format: str, policy: str | None) -> None: ...

    async def delete_disk(self, path: str) -> None: ...


class Notes:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def owners(self) -> Owners:
        """Raises CallError."""
        found, gaps = dict[str, frozenset[str]](), list[str]()
        for at in (await self._calls.place()).each:
            try:
                found[f"the folder [{at.name}] {at.folder}"] = await self._owners(at)
            except CallError as error:
                if not isinstance(error, Fault) or error.kind not in _NEVER:
                    gaps.append(f"[{at.name}] {at.folder}: {error}")
                    continue
                # Without the right to browse, say: nothing can be told, now and later, and all else may work.
                log.warning("swarm.unread", folder=f"[{at.name}] {at.folder}", why=str(error))
        if gaps and not found:
            raise NotSent("; ".join(gaps))
        return Owners(found, tuple(gaps))

    async def _owners(self, at: Place) -> frozenset[str]:
        try:
            return owners_of(await self._calls.files(at, OWNERS))
        except CallError as error:
            if is_kind(error, Kind.NOT_FOUND):  # no folder yet: it is made with the first disk
                return frozenset()
            raise

    async def put(self, swarm: str) -> Outcome:
        try:
            for at in (await self._calls.place()).each:
                await self._put(at, swarm)
        except CallError as error:
            return failure(error)
        return Done()

    async def _put(self, at: Place, swarm: str) -> None:
        await self._calls.make_folder(at)
        try:
            await self._calls.create_disk(at.owner(swarm), _KIB, "thin", None)
        except CallError as error:
            if not is_kind(error, Kind.EXISTS):
                raise

    async def remove(self, swarm: str) -> Outcome:
        try:
            for at in (await self._calls.place()).each:
                await self._remove(at, swarm)
        except CallError as error:
            return failure(error)
        return Done()

    async def _remove(self, at: Place, swarm: str) -> None:
        try:
            await self._calls.delete_disk(at.owner(swarm))
        except CallError as error:
            if not is_kind(error, Kind.NOT_FOUND):
                raise

"""The volumes of this node, and the one report about all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

from controller.gate.kernel.mount_table import Mount
from controller.gate.kernel.strays import LOST
from controller.gate.state_file import StateFile
from controller.gate.volume import Volume
from controller.protocol import messages

log = structlog.get_logger()

NAMELESS = (
    "the gate has lost its memory, and this volume's disk names another volume as its own, or none: it was full, or "
    "somebody wrote to it. It stays with the container that has it until that ends"
)


class VolumeTable:
    """``version`` grows with each change that is worth a report. ``root``: where volumes are mounted, resolved."""

    def __init__(self, store: StateFile, root: Path) -> None:
        self.root = root
        self.strays: frozenset[str] = frozenset()  # numbers; see `kernel.strays`
        self.version = 1
        self.changed = asyncio.Event()
        self._store = store
        self._volumes: dict[str, Volume] = {}

    def __iter__(self) -> Iterator[Volume]:
        return iter(tuple(self._volumes.values()))

    def volume(self, name: str) -> Volume:
        """The one of that name; made if it was not heard of."""
        known = self._volumes.get(name)
        if known is None:
            known = self._volumes[name] = Volume(name, self._store, self.root, self.touch)
            if known.stored.number is not None and name not in self._store.now.volumes:
                known.inherit(asyncio.get_running_loop().time())
                known.traced = True
                known.hold(NAMELESS)
        return known

    async def forget(self) -> None:
        """
        What was used here once and is not any more, so that the report stays small on a node that saw many volumes. A
        controller that still asks for one makes it known again (`Release`). Raises StateUnwritable.
        """
        names = frozenset(name for name, volume in self._volumes.items() if volume.forgettable)
        if names:
            await self._store.forget(names)
            for name in names:
                if self._volumes[name].forgettable:
                    del self._volumes[name]
            self.touch()

    def touch(self) -> None:
        self.version += 1
        self.changed.set()

    def observe(self, table: Mapping[Path, Mount]) -> None:
        """What the kernel's mount table has, for each volume."""
        for name in {*self._volumes, *self._store.now.volumes}:
            self.volume(name).observe(table)

    def report(self) -> tuple[messages.VolumeReport, ...]:
        """The whole truth about this node, in the order of names."""
        names = sorted({*self._volumes, *self._store.now.volumes})
        reports = (self._report(self.volume(name)) for name in names)
        return tuple(one for one in reports if one.serial > 0 or one.state != "unmounted" or one.problem)

    def _report(self, volume: Volume) -> messages.VolumeReport:
        said = volume.report()
        if volume.traced or not self.strays or said.state != "unmounted":
            return said
        why = LOST.format(" or ".join(sorted(self.strays)))
        return msgspec.structs.replace(said, state="mounted", mounts=1, users=(0,), problem=why)

    def are_in_use(self, strays: frozenset[str]) -> None:
        """All of them that are left."""
        if strays != self.strays:
            self.strays = strays
            log.warning("disks.strayed", why=LOST.format(" or ".join(sorted(strays))) if strays else "all are free now")
            self.touch()

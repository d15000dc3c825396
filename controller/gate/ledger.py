"""
What this gate knows about its volumes, and what it says about them to the controller.

Laws of this file:
- ``unmounted`` with a serial is a promise: in this boot no grant up to that serial will ever be mounted here. So it is
  said only when nothing is mounted, no mount is under way under an accepted grant, and no namespace holds the disk.
- A grant counts from the moment it is accepted; whatever comes of it, it is spent afterwards (`VolumeState.closed`).
- A Mount that still waits for its grant is ``unmounted``: the serial guards against a late grant, and a revocation is
  obeyed at once instead of waiting for a Mount that itself waits for the revocation.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from controller import wire
from controller.gate.mounts import DATA, Mounted
from controller.gate.state import INHERITED, StateFile, VolumeState

TAKEN_OVER_SECONDS = 60.0
SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class GateError(Exception):
    """What Docker is told: it ends up in the ERROR column of `docker service ps`."""


class Interrupted(Exception):
    """A wait was ended: nobody waits for it any more, or the grant was taken back."""


@dataclass(slots=True, eq=False)
class Volume:
    """The living part; what must survive a restart is in `StateFile`."""

    name: str
    mounted: Mounted | None = None
    grant: wire.MountGrant | None = None  # accepted, and not yet mounted
    formatted: bool = False
    inherited: frozenset[str] = frozenset()  # users from before the gate's start: dockerd may have forgotten them
    held: bool = False  # unmounted here, but some other mount namespace keeps it
    waiting: set[str] = field(default_factory=set)
    reason: str = ""  # the newest answer to "what is it waiting for"
    problem: str | None = None
    mount_job: asyncio.Future[GateError | None] | None = None
    unmount_job: asyncio.Future[GateError | None] | None = None
    work: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time touches the disk or the mount
    checking: bool = False
    sick: int = 0
    _scope: asyncio.Timeout | None = None

    def interrupt(self) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """For waits only, never around work on the disk. Raises Interrupted."""
        scope: asyncio.Timeout | None = None
        try:
            async with asyncio.timeout(None) as scope:
                self._scope = scope
                try:
                    yield
                finally:
                    self._scope = None
        except TimeoutError as error:
            if scope is not None and scope.expired():
                raise Interrupted from error
            raise


class Ledger:
    """``started``: when this process began, on the monotonic clock."""

    def __init__(self, state: StateFile, mount_root: Path, started: float) -> None:
        self.state = state
        self.started = started
        self.root = mount_root
        self.volumes: dict[str, Volume] = {}
        self.version = 1  # grows with each change worth a report
        self.changed = asyncio.Event()

    def volume(self, name: str) -> Volume:
        return self.volumes.setdefault(name, Volume(name))

    def stored(self, name: str) -> VolumeState:
        return self.state.volume(name)

    def put(self, name: str, **changes: object) -> None:
        """Raises StateUnwritable."""
        self.state.put(name, msgspec.structs.replace(self.stored(name), **changes))
        self.touch()

    def close(self, volume: Volume) -> None:
        """Nothing is mounted and nothing holds the disk. Raises StateUnwritable."""
        volume.held = volume.formatted = False
        volume.problem = None
        volume.sick = 0
        self.state.put(volume.name, self.stored(volume.name).closed())
        self.touch()

    def touch(self) -> int:
        self.version += 1
        self.changed.set()
        return self.version

    def target(self, name: str) -> Path:
        """Where the volume's file system is mounted. Raises GateError."""
        key = self.stored(name).key
        if not SAFE_KEY.fullmatch(key):
            raise GateError(f"the controller gave the volume the key {key!r}, which cannot be a directory's name")
        return self.root / key

    def path(self, name: str) -> Path | None:
        """What is handed out; None unless it is mounted: an empty directory must never pass for a volume."""
        volume = self.volumes.get(name)
        return volume.mounted.path / DATA if volume is not None and volume.mounted is not None else None

    def refresh(self, table: Mapping[Path, Mounted]) -> None:
        for name in {*self.volumes, *self.state.now.volumes}:
            key = self.stored(name).key
            seen = table.get(self.root.resolve() / key) if SAFE_KEY.fullmatch(key) else None
            volume = self.volume(name)
            if volume.mounted != seen:
                volume.mounted = seen
                self.touch()

    def spent(self, name: str, grant: wire.MountGrant) -> str | None:
        """Why a grant may not be used any more."""
        stored = self.stored(name)
        if grant.serial <= stored.floor:
            return f"the controller's grant {grant.serial} was given back before; waiting for a newer one"
        if grant.epoch < stored.epoch:
            return f"the grant is of epoch {grant.epoch}, but epoch {stored.epoch} was seen; waiting for a newer one"
        return None

    def report(self) -> tuple[wire.VolumeReport, ...]:
        """The whole truth about this node, in the order of names."""
        names = sorted({*self.volumes, *self.state.now.volumes})
        reports = (self._report(self.volume(name)) for name in names)
        return tuple(one for one in reports if one.serial > 0 or one.state != "unmounted" or one.problem)

    def _report(self, volume: Volume) -> wire.VolumeReport:
        stored = self.stored(volume.name)
        problem = volume.problem
        if volume.mounted is not None or volume.held:
            users = len(stored.ids)
            return wire.VolumeReport(
                volume.name, "mounted", stored.serial, mounts=users, formatted=volume.formatted, problem=problem
            )
        if volume.grant is not None:
            return wire.VolumeReport(
                volume.name, "mounting", stored.serial, formatted=volume.formatted, problem=problem or volume.reason
            )
        return wire.VolumeReport(volume.name, "unmounted", stored.floor, problem=problem)

    def doubtful(self, volume: Volume, now: float) -> bool:
        """
        Whether all users are from before the gate's start, and that is long ago.

        A dockerd that was killed may never say Unmount for them. Not at once: a container that was answered just before
        still has to take its mount over, and must not find an empty directory.
        """
        ids = self.stored(volume.name).ids
        return bool(ids) and ids <= volume.inherited and now - self.started >= TAKEN_OVER_SECONDS

    def without(self, name: str, mount_id: str) -> frozenset[str]:
        """The users that are left when this one goes; an ID that is not known can only be one of the unknown users."""
        ids = self.stored(name).ids
        return ids - {mount_id} if mount_id in ids else ids - {INHERITED}

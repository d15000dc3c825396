"""
One volume on this node: its state, who uses it, and what is said about it.

Laws of this file:
- ``unmounted`` with a serial is a promise: in this boot no grant up to that serial will ever be mounted here. So it is
  said only when nothing is mounted, no mount is under way under an accepted grant, and no namespace holds the disk.
- A grant counts from the moment it is accepted; whatever comes of it, it is spent afterwards (`VolumeState.closed`).
- Each user is counted under the grant that it was handed out under, and no more of them than that task's container
  mounts: a container that joined another's mount could be the successor that Swarm started too early.
- A Mount that still waits for its grant is ``unmounted``: the serial guards against a late grant, and a revocation is
  obeyed at once instead of waiting for a Mount that itself waits for the revocation.
- A mount that is gone without our doing is `Held` until the disk was looked at: dockerd unmounts what is ours when it
  stops the plugin, and containers keep theirs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import structlog

from controller.gate.jobs import GateError, Job, Repeats, TimedLock, Waiters
from controller.gate.kernel.handout import DATA
from controller.gate.kernel.mount_table import Mount
from controller.gate.state_file import StateFile, VolumeState
from controller.protocol import messages

log = structlog.get_logger()

TAKEN_OVER_SECONDS = 60.0
NOT_TOLD = (0, 0)
FORGET_SECONDS = 900.0  # a controller's answer under way is given up long before
SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is mounted, and nothing holds the disk."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant was accepted, and nothing is mounted yet."""

    grant: messages.MountGrant


@dataclass(frozen=True, slots=True)
class Mounted:
    """The kernel's mount table has it."""

    mount: Mount


@dataclass(frozen=True, slots=True)
class Held:
    """Not mounted here any more, and not known to be free: another namespace holds the disk, or nobody looked yet."""


State = Idle | Granted | Mounted | Held


class Volume:
    """``changed`` is called with each change that is worth a report."""

    def __init__(self, name: str, store: StateFile, root: Path, changed: Callable[[], None]) -> None:
        self.name = name
        self.mounting, self.unmounting, self.checking = Job(), Job(), Job()
        self.measuring, self.trimming = Job(), Job()
        self.waiters, self.repeats = Waiters(), Repeats()
        self.usage: tuple[int, int] | None = None  # bytes used and available, as last read: see upkeep/usage.py
        self.fitted = 0  # size of the disk for which its file system was looked at last
        self.taken: Mount | None = None  # our own mount, taken down to look for users, and not back yet
        self.lock = TimedLock()  # one at a time touches the disk or the mount
        self.traced = False  # which disk is its own is known: no stray can be it
        self._store = store
        self._root = root
        self._changed = changed
        self._state: State = Idle()
        self.mount: Mount | None = None  # the kernel's mount table has it
        self._refused = 0  # grants up to it are refused, also before that is on the disk
        self._inherited: frozenset[str] = frozenset()  # users from before the gate's start, and not asked about yet
        self._inherited_at = 0.0
        self._quiet_since = asyncio.get_running_loop().time()
        self._symptoms, self._formatted = 0, False
        self.reason = ""  # the newest answer to "what is it waiting for"
        self._problem: str | None = None  # what went wrong when it was mounted or unmounted
        self._trouble: str | None = None  # what is wrong with the mount that is there
        self._meant = False  # it may be as somebody wants it

    # -- What is so. --------------------------------------------------------------------------------------------------

    @property
    def stored(self) -> VolumeState:
        return self._store.of(self.name)

    @property
    def free(self) -> bool:
        """Nothing is mounted, and nothing holds the disk; a Mount may be under way."""
        return isinstance(self._state, Idle | Granted)

    @property
    def in_question(self) -> bool:
        """Whether there is a disk to look at from time to time."""
        return not self.free or self.stored.number is not None

    @property
    def forgettable(self) -> bool:
        """Nothing is left of it but a promise that no answer still under way can break."""
        busy = self.waiters.ids or self.mounting.running or self.unmounting.running or self.lock.locked()
        quiet = asyncio.get_running_loop().time() - self._quiet_since
        return not busy and not self.in_question and quiet >= FORGET_SECONDS

    @property
    def users(self) -> frozenset[str]:
        return frozenset(self.stored.users)

    @property
    def path(self) -> Path | None:
        """What is handed out; None unless it is mounted: an empty directory must never pass for a volume."""
        return None if self.mount is None else self.mount.path / DATA

    @property
    def target(self) -> Path:
        """Where the volume's file system is mounted. Raises GateError."""
        key = self.stored.key
        if not SAFE_KEY.fullmatch(key):
            raise GateError(f"the controller gave the volume the key {key!r}, which cannot be a directory's name")
        return self._root / key

    @property
    def problem(self) -> str | None:
        return self._problem or self._trouble

    @property
    def awaited(self) -> str:
        """What whoever waits for it is told. What is wrong with a mount or its disk now holds them all."""
        return (self.problem if self.mount is not None else self._trouble) or self.reason or "no reason is known"

    def given(self, mount_id: str) -> Path | None:
        """The path, for a user that is counted."""
        return self.path if mount_id in self.users else None

    def spent(self, grant: messages.MountGrant) -> str | None:
        """Why a grant may not be used any more."""
        stored = self.stored
        if grant.serial <= max(stored.floor, self._refused):
            return f"the controller's grant {grant.serial} was given back before; waiting for a newer one"
        if grant.epoch < stored.epoch:
            return f"the grant is of epoch {grant.epoch}, but epoch {stored.epoch} was seen; waiting for a newer one"
        if any(serial <= grant.void for serial in stored.users.values()):
            return f"an earlier container still has it mounted; task {grant.task} gets it after that one has ended"
        if list(stored.users.values()).count(grant.serial) >= grant.mounts:
            return f"the container of task {grant.task} has it mounted; the next one gets its own permission after that"
        return None

    def refuses(self, grant: messages.MountGrant) -> bool:
        return grant.serial <= max(self.stored.floor, self._refused)

    def doubtful(self) -> bool:
        """
        Whether it is long ago that anybody knew of the users: all are from before the gate's start, or since it asked.

        A dockerd that was killed may never say Unmount for them. Not at once: a container that was answered just before
        still has to take its mount over, and must not find an empty directory.
        """
        since = asyncio.get_running_loop().time() - self._inherited_at
        return bool(self.users) and self.users <= self._inherited and since >= TAKEN_OVER_SECONDS

    def report(self) -> messages.VolumeReport:
        name, stored, problem = self.name, self.stored, self.problem
        if isinstance(self._state, Idle):
            return messages.VolumeReport(
                name, "unmounted", stored.floor, problem=problem, floor=stored.floor, epoch=stored.epoch
            )
        mounting = isinstance(self._state, Granted)
        users = tuple(sorted(stored.users.values()))
        return messages.VolumeReport(
            name,
            state="mounting" if mounting else "mounted",
            serial=stored.serial,
            mounts=len(users),
            formatted=self._formatted,
            problem=problem or (self.reason if mounting else None),
            users=users,
            floor=stored.floor,
            epoch=stored.epoch,
            used=(self.usage or NOT_TOLD)[0],
            available=(self.usage or NOT_TOLD)[1],
            suffers=self._trouble is not None and not self._meant,
        )

    # -- What the kernel shows. ---------------------------------------------------------------------------------------

    def observe(self, table: Mapping[Path, Mount]) -> None:
        """What the kernel's mount table has at the volume's target."""
        key = self.stored.key
        mount = table.get(self._root / key) if SAFE_KEY.fullmatch(key) else None
        if mount is not None:
            self._become(Mounted(mount))
        elif isinstance(self._state, Mounted):
            self._become(Held())

    def sick(self, why: str | None) -> int:
        """How often in a row the disk has looked dead, this look included."""
        self._symptoms = self._symptoms + 1 if why else 0
        return self._symptoms

    def suffer(self, trouble: str | None, *, may_be_meant: bool = False) -> None:
        """What a look at the mount found wrong."""
        if trouble != self._trouble:
            self._trouble, self._meant = trouble, may_be_meant
            log.warning("volume.trouble", volume=self.name, why=trouble or "it has passed")
            self._changed()

    def inherit(self, since: float) -> None:
        """``since``, on the monotonic clock, nobody is known to have seen the users that are counted."""
        self._inherited = self.users
        self._inherited_at = since

    # -- What is done. Those that must be remembered raise StateUnwritable. -------------------------------------------

    async def accept(self, grant: messages.MountGrant) -> None:
        if isinstance(self._state, Idle):
            self._become(Granted(grant))
        await self._edit(partial(VolumeState.accepted, grant=grant))

    def format_done(self) -> None:
        """The file system is surely on the disk: said from here on."""
        self._formatted = True
        self._changed()

    async def begin_mount(self, number: str) -> None:
        """From here on the disk may be in use."""
        self.traced = True
        await self._edit(partial(VolumeState.begun, number=number))

    async def count(self, mount_id: str, serial: int) -> None:
        """It is a user from here on, under the grant of that serial."""
        await self._edit(partial(VolumeState.counted, mount_id=mount_id, serial=serial))

    async def keep_users(self, left: dict[str, int]) -> None:
        """All others are gone."""
        await self._edit(lambda stored: msgspec.structs.replace(stored, users=left))

    async def settled(self, problem: str | None = None) -> None:
        """Nothing is mounted, and nothing holds the disk: what was granted is spent."""
        self._symptoms, self._formatted, self._problem, self._trouble, self.taken = 0, False, problem, None, None
        self._state, self.mount, self.usage, self._quiet_since = Idle(), None, None, asyncio.get_running_loop().time()
        await self._edit(VolumeState.closed)

    def hold(self, why: str | None = None) -> None:
        """Unmounted, but something else has the disk."""
        self._problem = why or self._problem
        self._become(Held())

    async def refuse(self, serial: int) -> None:
        """No grant up to it is used from here on, before anything else runs; what is under way under one stops."""
        self._refused, self._quiet_since = max(self._refused, serial), asyncio.get_running_loop().time()
        if isinstance(self._state, Granted) and self._state.grant.serial <= serial:
            self.waiters.interrupt()
        if serial > self.stored.floor:
            await self._edit(lambda stored: msgspec.structs.replace(stored, floor=max(stored.floor, serial)))
            log.info("grants.refused", volume=self.name, serial=serial, why="the controller took them back")

    def fail(self, why: str) -> None:
        if self._problem != why:
            self._problem = why
            self._changed()

    def recover(self) -> None:
        """Whatever was wrong is mended."""
        self._problem = None
        self.reason = ""

    def step(self, what: str) -> None:
        """What is being done, or waited for."""
        if self.reason != what:
            self.reason = what
            log.info("volume.step", volume=self.name, why=what)

    def wait_for(self, what: str) -> None:
        """Like `step`, for what a controller says: it is in the controller's log already."""
        self.reason = what

    def _become(self, state: State) -> None:
        if self._state != state:
            self._state, self.mount = state, state.mount if isinstance(state, Mounted) else None
            self.usage = None
            self._changed()

    async def _edit(self, change: Callable[[VolumeState], VolumeState]) -> None:
        await self._store.edit(self.name, change)
        self._changed()

"""
What the controller knows just now, for its doors: the last look, the decisions made on it, the newest records.

In memory only. The loop writes it; requests of gates and people read it, wait on it, and poke the loop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.actions import Action, Alarm, Converged, DropGrants, Refuse, Wait
from controller.model import BootId, NodeId, VmId, VolumeName, VolumeRecord, World
from controller.wire import Hello

SHORTEST = 0.001  # seconds: what is left after rounding must not make a waiter spin


class Signal:
    """Wakes everyone who waits. A waiter that checked before waiting, with no ``await`` between, misses nothing."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Until the next `fire`, or so many seconds."""
        event = self._event
        try:
            async with asyncio.timeout(max(seconds, SHORTEST)):
                await event.wait()
        except TimeoutError:
            return


class Poke:
    """Asks the loop to look. Many pokes before it looks are one; the first one's reason is logged."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._why = ""

    def __call__(self, why: str) -> None:
        if not self._event.is_set():
            self._why = why
        self._event.set()

    async def wait(self, seconds: float) -> str:
        """The reason of the first poke since the last call, or that time has passed."""
        try:
            async with asyncio.timeout(max(seconds, SHORTEST)):
                await self._event.wait()
        except TimeoutError:
            return "time to look again"
        self._event.clear()
        return self._why


@dataclass(frozen=True, slots=True)
class Look:
    """One finished look. ``began`` is on the loop's monotonic clock, ``at`` on the wall clock."""

    number: int
    began: float
    at: float
    world: World


class Board:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.begun = 0
        self.look: Look | None = None
        self.decisions: dict[VolumeName, Action] = {}
        self.setbacks: dict[VolumeName, str] = {}  # why the last operation did not succeed
        self.hellos: dict[NodeId, Hello] = {}  # what each node service last said
        self.concerns: Mapping[VmId, Sequence[str]] = {}  # what will hurt some day about VMs, of the last inspection
        self.changed = Signal()
        self._written: dict[VolumeName, tuple[float, VolumeRecord]] = {}
        self._granted: Mapping[tuple[VmId, BootId], set[VolumeName]] = {}

    @property
    def world(self) -> World | None:
        return None if self.look is None else self.look.world

    @property
    def knows_records(self) -> bool:
        """Whether the volume records were read: only then a missing one is one that does not exist."""
        return self.world is not None and self.world.volumes is not None

    def publish(self, look: Look, decisions: Mapping[VolumeName, Action]) -> None:
        self.look = look
        self.decisions = dict(decisions)
        if look.world.volumes is not None:
            self._granted = _granted(look.world.volumes.values())
            self._written = {name: each for name, each in self._written.items() if each[0] >= look.began}
        self.changed.fire()

    def forget(self) -> None:
        """We do not act any more: what we know gets old."""
        self.look = None
        self.decisions, self.setbacks, self.concerns, self._written, self._granted = {}, {}, {}, {}, {}
        self.changed.fire()

    def wrote(self, record: VolumeRecord) -> None:
        """A record that we wrote is news before the next look."""
        self._written[record.name] = (self._clock(), record)
        self.changed.fire()

    def deleted(self, volume: VolumeName) -> None:
        self._written.pop(volume, None)
        self.changed.fire()

    def record(self, volume: VolumeName) -> VolumeRecord | None:
        """The newest record we know of. Its compare-and-set refuses a write that rests on an older one."""
        volumes = self.world.volumes if self.world is not None else None
        read = None if volumes is None else volumes.get(volume)
        written = self._written.get(volume)
        if written is None or (read is not None and read.version > written[1].version):
            return read
        return written[1]

    def begin(self) -> int:
        """The loop begins to look: the number of the look."""
        self.begun += 1
        return self.begun

    async def fresh_look(self, seconds: float) -> Look | None:
        """A look that begins after this call; None when none ends within so many seconds."""
        begun, ends = self.begun, self._clock() + seconds
        while self.look is None or self.look.number <= begun:
            left = ends - self._clock()
            if left <= 0:
                return None
            await self.changed.wait(left)
        return self.look

    def holding(self, vm: VmId, boot: BootId) -> Mapping[VolumeName, VolumeRecord]:
        """Records with a grant on this VM in this boot."""
        names = {*self._granted.get((vm, boot), ()), *self._written}
        records = {name: self.record(name) for name in names}
        return {
            name: record
            for name, record in records.items()
            if record is not None and any((each.vm, each.boot) == (vm, boot) for each in record.grants)
        }

    def volumes(self) -> Iterable[VolumeName]:
        read = (self.world.volumes if self.world is not None else None) or {}
        return sorted({*read, *self._written, *self.decisions})

    def why(self, volume: VolumeName) -> str:
        """One sentence for whoever waits for this volume."""
        action = self.decisions.get(volume)
        if action is None:
            return "the controller has not looked at this volume yet; it does so within seconds"
        setback = self.setbacks.get(volume)
        return reason(action) if setback is None else f"{reason(action)} (the last attempt: {setback})"


def reason(action: Action) -> str:
    """An action in words, for people."""
    match action:
        case Alarm():
            return f"{action.why}: {action.cure}"
        case DropGrants():
            return action.evidence.text
        case _:
            return str(getattr(action, "why", "")) or f"{kind(action)} is under way"


def kind(action: Action) -> str:
    """``GrantMount`` -> ``grant-mount``: what `reberth status` and the log call it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(action).__name__).lower()


def same_decision(one: Action | None, other: Action) -> bool:
    """Whether nothing changed that a person would want to read again: numbers that count on do not matter."""
    if one == other:
        return True  # the usual case, thousands of times a look
    if one is None or type(one) is not type(other):
        return False
    return re.sub(r"[0-9.]+", "#", reason(one)) == re.sub(r"[0-9.]+", "#", reason(other))


def quiet(action: Action) -> bool:
    """Whether nothing is to be done on this action."""
    return isinstance(action, Wait | Refuse | Alarm | Converged)


def _granted(records: Iterable[VolumeRecord]) -> Mapping[tuple[VmId, BootId], set[VolumeName]]:
    """Which volumes each gate may hold: a thousand gates ask for it after each look."""
    found: dict[tuple[VmId, BootId], set[VolumeName]] = {}
    for record in records:
        for grant in record.grants:
            found.setdefault((grant.vm, grant.boot), set()).add(record.name)
    return found

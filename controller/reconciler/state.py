"""
What the controller knows just now, for its doors: the last look, the decisions made on it, the newest records.

In memory only. The loop writes it; requests of gates and people read it, wait on it, and wake the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.model import BootId, Epoch, NodeId, Phase, VmId, VolumeName, VolumeRecord, World
from controller.planner.actions import reason
from controller.planner.plan import Decision
from controller.protocol.bounds import MOST_NAMES
from controller.protocol.messages import Hello, KnownNames, Names
from controller.reconciler.connecting.node_orders import NodeOrders
from controller.reconciler.gate_reports import GateReports
from controller.reconciler.nodes import clocks
from controller.reconciler.nodes.suspects import Suspects
from controller.reconciler.wakeups import Broadcast, Wakeup
from controller.volumes.naming import volume_key
from controller.volumes.quotas import Quota
from drivers.base import Room


@dataclass(frozen=True, slots=True)
class Observation:
    """One finished look. ``began`` is on the loop's monotonic clock, ``at`` on the wall clock."""

    number: int
    began: float
    at: float
    world: World


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A name that no record has, but a disk of the storage."""

    why: str
    cure: str

    def __str__(self) -> str:
        return f"{self.why}. {self.cure}"


class LoopState:
    """``clock`` is monotonic, ``wall`` for people. ``changed`` wakes whoever waits for news, ``wakeup`` the loop."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.wall = wall
        self.begun = 0
        self.revision = 0  # grows with whatever may change the records that we know
        self.terms = 0  # how often we ceased to act
        self.look: Observation | None = None
        self.decisions: dict[VolumeName, Decision] = {}
        self.setbacks: dict[VolumeName, str] = {}  # why the last operation did not succeed
        self.full = 0.9  # part of a volume's room above which that is told
        self.quotas: Sequence[Quota] = ()  # as the settings have them: what they allow is told with what is taken
        self.wishes: dict[VolumeName, str] = {}  # sizes that services ask for in vain, and why
        self.snapshots: dict[tuple[VolumeName, str], str] = {}  # why a snapshot or a restore (by its snapshot) waits
        self.overdue: dict[VolumeName, str] = {}  # snapshots by schedule that are not there in their time, and why
        self.growing: set[VolumeName] = set()  # whose disks are being made larger just now
        self.unrecorded: dict[VolumeName, Unrecorded] = {}  # names without a record that have a disk
        self.refused: dict[NodeId, str] = {}  # nodes that may not speak for the VM that they name, and why
        self.newcomers: dict[NodeId, tuple[float, VmId]] = {}  # since when, and which VM: named by nobody before
        self.boots_refused = 0  # that nodes named too soon after others
        self.hellos: dict[NodeId, Hello] = {}  # what each node service last said
        self.clock_offsets: dict[NodeId, float] = {}  # its clock less ours, in seconds, when it said so
        self.concerns: Mapping[VmId, Sequence[str]] = {}  # what will hurt some day about VMs, of the last inspection
        self.rooms: Sequence[Room] = ()  # what the storage told of the room for disks, of the last inspection
        self.changed = Broadcast()
        self.wakeup = Wakeup()
        self.gates = GateReports(clock, self.changed)
        self.nodes = NodeOrders(self.gates, self.changed, clock)
        self.suspects = Suspects(clock)
        self._written: dict[VolumeName, tuple[float, VolumeRecord]] = {}
        self._granted: Mapping[tuple[VmId, BootId], set[VolumeName]] = {}
        self._doubts: dict[VolumeName, Epoch] = {}

    @property
    def world(self) -> World | None:
        return None if self.look is None else self.look.world

    @property
    def knows_records(self) -> bool:
        """Whether the volume records were read: only then a missing one is one that does not exist."""
        return self.world is not None and self.world.volumes is not None

    def no_later(self) -> float | None:
        """The wall clock's time, or that of most nodes if theirs is earlier; None: not known yet."""
        return clocks.no_later(self.wall(), self.clock_offsets.values(), self.clock() - self.gates.began)

    def by_most(self, acting: float) -> float | None:
        """The time by most nodes' clocks; None: not known yet. ``acting``: seconds since nothing of ours changed."""
        acting = min(acting, self.clock() - self.gates.began)
        return clocks.by_most(self.wall(), self.clock_offsets.values(), acting)

    def grace(self, seconds: float) -> float:
        """So many seconds, as this controller's clock has to count them."""
        return clocks.grace(seconds, self.clock_offsets.values())

    def unreadable(self, volume: VolumeName) -> str | None:
        """Why the record of this volume cannot be read although there is one."""
        found = self.world.unreadable if self.world is not None else None
        return found.get(volume_key(volume)) if found else None

    def publish(self, look: Observation, decisions: Mapping[VolumeName, Decision]) -> None:
        before, self.look = self.world, look
        self.decisions = dict(decisions)
        if look.world.volumes is not None:
            if before is None or before.volumes is not look.world.volumes:
                self._granted = _granted(look.world.volumes)
            self._written = {name: each for name, each in self._written.items() if each[0] >= look.began}
            for name in self.unrecorded.keys() & look.world.volumes.keys():
                del self.unrecorded[name]
        self.revision += 1
        self.changed.fire()

    def forget(self) -> None:
        """We do not act any more: what we know gets old."""
        self.look = None
        self.terms += 1
        self.decisions, self.setbacks, self.concerns, self._written, self._granted = {}, {}, {}, {}, {}
        self.rooms = ()
        self.refused.clear()
        self.newcomers.clear()
        self.unrecorded.clear()
        self.wishes.clear()
        self.snapshots = {}
        self.overdue = {}
        self.revision += 1
        self.changed.fire()

    def wrote(self, record: VolumeRecord, why: str = "") -> None:
        """A record that we wrote is news before the next look; with ``why`` the loop is to look."""
        self._written[record.name] = (self.clock(), record)
        self.unrecorded.pop(record.name, None)
        self.revision += 1
        self.changed.fire()
        if why:
            self.wakeup(why)

    def unrecorded_is(self, volume: VolumeName, found: Unrecorded | None) -> None:
        """What the storage's list says of a name without a record: every gate is to know it, and people."""
        if self.unrecorded.get(volume) != found:
            self.unrecorded = {name: each for name, each in self.unrecorded.items() if name != volume}
            self.unrecorded |= {} if found is None else {volume: found}
            self.revision += 1
            self.changed.fire()

    def deleted(self, volume: VolumeName) -> None:
        self._written.pop(volume, None)
        self.revision += 1
        self.changed.fire()

    def record(self, volume: VolumeName) -> VolumeRecord | None:
        """The newest record we know of. Its compare-and-set refuses a write that rests on an older one."""
        volumes = self.world.volumes if self.world is not None else None
        read = None if volumes is None else volumes.get(volume)
        written = self._written.get(volume)
        if written is None or (read is not None and read.version > written[1].version):
            return read
        return written[1]

    def doubt(self, volume: VolumeName, epoch: Epoch) -> None:
        """A call for this volume under this epoch got no answer. It counts until a newer epoch was taken."""
        self._doubts = {name: each for name, each in self._doubts.items() if each >= epoch} | {volume: epoch}

    def as_known(self, world: World) -> World:
        """What was read, with what only this process knows: calls in doubt, and nodes that were not believed."""
        nodes = world.nodes or {}
        refused = {name: why for name, why in self.refused.items() if name in nodes}
        return replace(self.with_doubts(world), refused=refused)

    def with_doubts(self, world: World) -> World:
        """The records as read, with each doubt in its intent: also those that could not be written there."""
        if world.volumes is None or world.epoch not in self._doubts.values():
            return world
        marked = {
            name: replace(record, intent=replace(record.intent, in_doubt=True))
            for name, record in world.volumes.items()
            if record.intent is not None and record.intent.epoch == world.epoch == self._doubts.get(name)
        }
        return replace(world, volumes={**world.volumes, **marked})

    def begin(self) -> int:
        """The loop begins to look: the number of the look."""
        self.begun += 1
        return self.begun

    async def fresh_look(self, seconds: float) -> Observation | None:
        """A look that begins after this call; None when none ends within so many seconds."""
        begun, ends = self.begun, self.clock() + seconds
        while self.look is None or self.look.number <= begun:
            left = ends - self.clock()
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
        return sorted({*read, *self._written, *self.decisions, *self.unrecorded})

    def why(self, volume: VolumeName) -> str:
        """One sentence for whoever waits for this volume."""
        decision = self.decisions.get(volume)
        if volume in self.unrecorded:
            return str(self.unrecorded[volume])
        if decision is None:
            return "the controller has not looked at this volume yet; it does so within seconds"
        setback, why = self.setbacks.get(volume), reason(decision.action)
        return why if setback is None or setback in why else f"{why} (the last attempt: {setback})"


def _granted(records: Mapping[VolumeName, VolumeRecord]) -> Mapping[tuple[VmId, BootId], set[VolumeName]]:
    """Which volumes each gate may hold: a thousand gates ask for it after each look."""
    found: dict[tuple[VmId, BootId], set[VolumeName]] = {}
    for record in records.values():
        for grant in record.grants:
            found.setdefault((grant.vm, grant.boot), set()).add(record.name)
    return found


class VolumeNames:
    """
    The names of all volumes as one numbered list, which every gate keeps.

    The number is the epoch under which the list came to be, and a count within it: whoever acts after us has a higher
    epoch, so of two lists the newer one is known, whoever told it.
    """

    def __init__(self, state: LoopState) -> None:
        self._state = state
        self._made_of = (0, 0)  # the state's term and revision
        self._now: Names | None = None

    def now(self) -> Names | None:
        """None while the records are not read."""
        world = self._state.world
        made_of = (self._state.terms, self._state.revision)
        if world is None or not self._state.knows_records:
            return None
        if self._made_of[0] != self._state.terms:  # another leader may have told a list meanwhile
            self._now = None
        if self._now is None or self._made_of != made_of:
            self._made_of = made_of
            names, unreadable = self._names(), tuple(sorted(world.unreadable))[:MOST_NAMES]
            before = self._now
            if before is None or (before.names, before.unreadable) != (names, unreadable):
                count = before.count + 1 if before is not None and before.epoch == world.epoch else 1
                self._now = Names(world.epoch, count, names, unreadable)
        return self._now

    async def news(self, known: KnownNames, seconds: float) -> Names | None:
        """Another list than the known one, or after so many seconds only its number; None as in `now`."""
        ends = self._state.clock() + seconds
        while (found := self.now()) is not None:
            if (found.epoch, found.count) != (known.epoch, known.count):
                return found
            left = ends - self._state.clock()
            if left <= 0:
                return Names(found.epoch, found.count)
            await self._state.changed.wait(left)
        return None

    def _names(self) -> tuple[str, ...]:
        records = ((name, self._state.record(name)) for name in self._state.volumes())
        living = (name for name, record in records if record is not None and record.phase is not Phase.DELETING)
        return tuple(sorted({*living, *self._state.unrecorded}))[:MOST_NAMES]

"""
What the gates last said, and what they are to be told. In memory: a gate repeats the whole truth about its node.

Only what was heard since this controller became the acting one counts, so `forget` is called when that changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from controller.model import (
    BootId,
    Epoch,
    GateView,
    GateVolume,
    MountState,
    NodeId,
    Serial,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.protocol.messages import Orders, Release, Sync, VolumeReport
from controller.reconciler.wakeups import Broadcast

MOST_BOOTS = 32  # remembered for each VM in one term: more than messages that may still be on their way


USAGE_COUNTS = 90.0  # seconds for which a gate's word about it is told


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a mounted volume's file system, in bytes."""

    used: int
    available: int

    @property
    def fraction(self) -> float:
        return self.used / max(self.used + self.available, 1)


@dataclass(frozen=True, slots=True)
class Heard:
    """One sync, and when it was heard on the monotonic clock."""

    node: NodeId
    boot: BootId
    at: float
    number: int
    volumes: Mapping[VolumeName, GateVolume]
    version: str = ""  # of the gate's software
    usage: Mapping[VolumeName, Usage] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()  # of connections that it can make


class GateReports:
    def __init__(self, clock: Callable[[], float], changed: Broadcast) -> None:
        self._clock = clock
        self._heard: dict[VmId, Heard] = {}
        self._past_boots: dict[VmId, deque[tuple[BootId, NodeId]]] = {}  # each with the node whose word ended it
        self._number = 0
        self.began = clock()  # from when on what is heard counts
        self._changed = changed
        self._prodded: dict[VmId, int] = {}

    def hear(self, node: NodeId, sync: Sync) -> int | None:
        """
        Keep a sync; its number, which a newer one exceeds. None for one of a boot that another has followed.

        Boot ids have no order: a message that lay about since before a reboot must not undo what came after it.
        """
        vm, boot = VmId(sync.vm), BootId(sync.boot)
        if self.ended(vm, boot):
            return None
        before = self._heard.get(vm)
        if before is not None and before.boot != boot:
            self._past_boots.setdefault(vm, deque(maxlen=MOST_BOOTS)).append((before.boot, node))
        self._number += 1
        volumes = {VolumeName(each.name): _view(each) for each in sync.volumes}
        usage = {VolumeName(each.name): Usage(each.used, each.available) for each in sync.volumes if each.used}
        kinds = frozenset(sync.kinds)
        self._heard[vm] = Heard(node, boot, self._clock(), self._number, volumes, sync.version, usage, kinds)
        if before is None or (before.node, before.boot, before.volumes) != (node, boot, volumes):
            self._changed.fire()  # not for a mere sign of life: it would wake the polls of all gates, for each gate
        return self._number

    def ended(self, vm: VmId, boot: BootId) -> bool:
        """Whether another boot of this VM was heard since: a word of this one lay about."""
        return any(past == boot for past, _ in self._past_boots.get(vm, ()))

    def only_of(self, vm: VmId, nodes: Container[NodeId]) -> None:
        """What nodes said that are no longer in the swarm ends no boot: one may have named a VM that it was not."""
        past = self._past_boots.get(vm)
        if past is not None:
            self._past_boots[vm] = deque((each for each in past if each[1] in nodes), maxlen=MOST_BOOTS)

    def newest(self, vm: VmId) -> Heard | None:
        return self._heard.get(vm)

    def changes(self, sync: Sync) -> bool:
        """Whether this sync says something new, so that the loop should look at once."""
        before = self._heard.get(VmId(sync.vm))
        if before is None or before.boot != sync.boot:
            return True
        return before.volumes != {VolumeName(each.name): _view(each) for each in sync.volumes}

    def views(self) -> Mapping[VmId, GateView]:
        now = self._clock()
        return {
            vm: GateView(heard.node, vm, heard.boot, now - heard.at, heard.volumes) for vm, heard in self._heard.items()
        }

    def versions(self) -> Mapping[NodeId, str]:
        """Of the gates' software, as each last said."""
        return {heard.node: heard.version for heard in self._heard.values()}

    def usages(self) -> Mapping[VolumeName, Usage]:
        """Of each volume as a gate said a moment ago."""
        oldest = self._clock() - USAGE_COUNTS
        return {
            name: found for heard in self._heard.values() if heard.at >= oldest for name, found in heard.usage.items()
        }

    def prod(self, vms: AbstractSet[VmId]) -> None:
        """Their polls are answered now, so that whoever lives speaks again at once."""
        asked = {vm: heard.number for vm in vms if (heard := self._heard.get(vm)) is not None}
        if asked.items() <= self._prodded.items():
            return
        self._prodded |= asked
        self._changed.fire()

    def prodded(self, vm: VmId, number: int) -> bool:
        """Whether the poll of this sync is not to wait any longer."""
        return self._prodded.get(vm) == number

    def forget(self) -> None:
        self.began = self._clock()
        self._prodded.clear()
        self._heard.clear()
        self._past_boots.clear()
        self._changed.fire()


def orders(vm: VmId, heard: Heard, records: Mapping[VolumeName, VolumeRecord]) -> Orders:
    """What this gate has to let go. Pure; the same until its next sync shows that it obeyed."""
    named = {*heard.volumes, *(name for name, record in records.items() if _holds(record, vm, heard.boot))}
    releases = (_release(name, heard.volumes.get(name), records.get(name), vm, heard.boot) for name in sorted(named))
    return Orders(tuple(each for each in releases if each is not None))


def _release(
    name: VolumeName, said: GateVolume | None, record: VolumeRecord | None, vm: VmId, boot: BootId
) -> Release | None:
    """None: the gate may keep what it has."""
    if record is None or not _holds(record, vm, boot):
        return None if said is None else _without_grant(said, Serial(0) if record is None else record.serial)
    return _taken_back(name, said, record) if record.revoked else None


def _taken_back(name: VolumeName, said: GateVolume | None, record: VolumeRecord) -> Release | None:
    """Until the gate says under the newest serial that nothing is mounted."""
    if said is None:
        return Release(name, record.serial)
    obeyed = said.serial >= record.serial and said.state is MountState.UNMOUNTED
    return None if obeyed else Release(name, max(record.serial, said.serial))


def _without_grant(said: GateVolume, wanted: Serial) -> Release | None:
    if said.state is MountState.MOUNTED:
        # Nothing allows it: a record restored from a backup, or one that was removed by hand.
        return Release(said.volume, max(wanted, said.serial))
    # A Mount that still waits for its grant has none yet: it may only not use an older one.
    waits = said.state is MountState.MOUNTING and said.serial < wanted
    return Release(said.volume, wanted) if waits else None


def _holds(record: VolumeRecord, vm: VmId, boot: BootId) -> bool:
    return any(grant.vm == vm and grant.boot == boot for grant in record.grants)


def _view(report: VolumeReport) -> GateVolume:
    return GateVolume(
        volume=VolumeName(report.name),
        state=MountState(report.state),
        serial=Serial(report.serial),
        mounts=report.mounts,
        problem=report.problem,
        users=_users(report),
        floor=Serial(report.serial if report.state == MountState.UNMOUNTED.value else report.floor),
        epoch=Epoch(report.epoch),
        suffers=report.suffers and report.problem is not None,
    )


def _users(report: VolumeReport) -> tuple[Serial, ...]:
    """Whoever has it mounted: where the gate counts nobody, something else holds the disk, and nobody knows what."""
    if report.state != MountState.MOUNTED.value:
        return ()
    known = report.users or (0,) * max(report.mounts, 1)
    return tuple(Serial(each) for each in sorted(known))

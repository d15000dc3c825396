"""
What the gates last said, and what they are to be told. In memory: a gate repeats the whole truth about its node.

Only what was heard since this controller became the acting one counts, so `forget` is called when that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.board import Signal
from controller.model import (
    BootId,
    GateView,
    GateVolume,
    MountState,
    NodeId,
    Serial,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.wire import Orders, Release, Sync, VolumeReport


@dataclass(frozen=True, slots=True)
class Heard:
    """One sync, and when it was heard on the monotonic clock."""

    node: NodeId
    boot: BootId
    at: float
    number: int
    volumes: Mapping[VolumeName, GateVolume]


class Gates:
    def __init__(self, clock: Callable[[], float], changed: Signal) -> None:
        self._clock = clock
        self._heard: dict[VmId, Heard] = {}
        self._past_boots: dict[VmId, set[BootId]] = {}
        self._number = 0
        self._changed = changed

    def hear(self, node: NodeId, sync: Sync) -> int | None:
        """
        Keep a sync; its number, which a newer one exceeds. None for one of a boot that another has followed.

        Boot ids have no order: a message that lay about since before a reboot must not undo what came after it.
        """
        vm, boot = VmId(sync.vm), BootId(sync.boot)
        past = self._past_boots.setdefault(vm, set())
        if boot in past:
            return None
        before = self._heard.get(vm)
        if before is not None and before.boot != boot:
            past.add(before.boot)
        self._number += 1
        volumes = {VolumeName(each.name): _view(each) for each in sync.volumes}
        self._heard[vm] = Heard(node, boot, self._clock(), self._number, volumes)
        if before is None or (before.node, before.boot, before.volumes) != (node, boot, volumes):
            self._changed.fire()  # not for a mere sign of life: it would wake the polls of all gates, for each gate
        return self._number

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

    def forget(self) -> None:
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
    wanted = Serial(0) if record is None else record.serial
    known = Serial(0) if said is None else said.serial
    state = MountState.UNMOUNTED if said is None else said.state
    if record is not None and record.revoked and _holds(record, vm, boot):
        obeyed = said is not None and known >= wanted and state is MountState.UNMOUNTED
        return None if obeyed else Release(name, max(wanted, known))
    if record is not None and _holds(record, vm, boot):
        return None
    if state is MountState.MOUNTED:
        # Nothing allows it: a record restored from a backup, or one that was removed by hand.
        return Release(name, max(wanted, known))
    # A Mount that still waits for its grant has none yet: it may only not use an older one.
    return Release(name, wanted) if state is MountState.MOUNTING and known < wanted else None


def _holds(record: VolumeRecord, vm: VmId, boot: BootId) -> bool:
    return any(grant.vm == vm and grant.boot == boot for grant in record.grants)


def _view(report: VolumeReport) -> GateVolume:
    return GateVolume(
        volume=VolumeName(report.name),
        state=MountState(report.state),
        serial=Serial(report.serial),
        mounts=report.mounts,
        problem=report.problem,
    )

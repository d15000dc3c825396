"""The record of a new volume, whether it may be made, and of one to be removed. Numbers begin at the clock."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

from controller.model import Capabilities, Epoch, HistoryEntry, Moment, Phase, Serial, Spec, VolumeName, VolumeRecord
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.messages import RemoveVolume
from controller.reconciler.state import LoopState
from controller.volumes.naming import OF_ONE_TASK, unseen, volume_key
from controller.volumes.options import copied_from
from controller.volumes.schedules import NOT_IN_USE, schedule

LOOK_SECONDS = 6.0  # a gate gives up on an answer after 10 s
_SWARM_ID = re.compile(r"[0-9a-z]{25}")


async def unfit(state: LoopState, name: VolumeName) -> Rejection | None:
    """
    Why no volume is made under this name, whatever it is to be.

    One with the ID of a task would be of no use to any other task: its disk would stay, and each task that takes that
    one's place would leave another. A task that was placed a moment ago is in the next look.
    """
    why = unseen(name)
    if why is not None:
        return Rejection(Status.BAD, why)
    if _SWARM_ID.search(name) is None:
        return None
    state.wakeup(f"volume {name} is to be made")
    look = await state.fresh_look(LOOK_SECONDS)
    if look is None or look.world.claims is None:
        return unavailable(f"it cannot be seen just now which task asks for volume {name}")
    # Of all claims: one whose template cannot be foretold stands under the name as written.
    tasks = (task for claim in look.world.claims.values() for task in claim.tasks)
    why = f"volume {name} has the ID of one task in its name: {OF_ONE_TASK}"
    return Rejection(Status.BAD, why) if any(task.id in name for task in tasks) else None


def unable(options: Mapping[str, str], can: Capabilities | None) -> str | None:
    """What of this the storage driver cannot do."""
    if copied_from(options) is not None and not (can is not None and can.clones):
        return "this storage driver cannot copy disks: leave clone-from out, and say a size"
    if schedule(options) is not None and not (can is not None and can.snapshots):
        return NOT_IN_USE
    return None


def new_record(name: VolumeName, spec: Spec) -> VolumeRecord:
    # A gate that knew an older volume of this name refuses all serials up to that one's last: start above them.
    born = Serial(int(time.time()))
    return VolumeRecord(name=name, key=volume_key(name), spec=spec, fs_uuid=str(uuid.uuid4()), serial=born)


def marked(record: VolumeRecord, wall: float, epoch: Epoch, keep: float, asked: RemoveVolume) -> VolumeRecord:
    """To be removed, in so many seconds. A volume that nobody ever wrote to is not kept."""
    at = wall + keep if keep > 0 and record.formatted and not asked.now else None
    how = f"by {asked.by or ('`reberth remove --now`' if asked.now else '`docker volume rm`')}"
    told = HistoryEntry(Moment.DELETED, wall, epoch, f"it was removed {how}")
    return replace(record, phase=Phase.DELETING, delete_at=at, history=(*record.history, told))

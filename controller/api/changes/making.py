"""The record of a new volume, and of one that is to be removed. Numbers begin at the clock."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

from controller.model import Epoch, HistoryEntry, Moment, Phase, Serial, Spec, VolumeName, VolumeRecord
from controller.protocol.messages import RemoveVolume
from controller.volumes.naming import volume_key


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

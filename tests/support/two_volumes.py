"""Two volumes with a disk each, and actions about them."""

from __future__ import annotations

from dataclasses import replace

from controller.model import (
    DiskId,
    Evidence,
    EvidenceKind,
    NodeId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import Attach, Detach, Fence
from tests.support.executors import Desk
from tests.support.worlds import DISK, V, on, record, vm, world

W = VolumeName("web")
OTHER = replace(record(), name=W, key=VolumeKey("web"), fs_uuid="u2", disk=DiskId("disk-web"))
OFF = Evidence(EvidenceKind.POWERED_OFF, vm(1), "volume data: it is off", "hypervisor")
TAKE, GIVE = Detach(V, DISK, vm(1), OFF, "why"), Attach(V, DISK, vm(1), "why")
GIVE_WEB = Attach(W, DiskId("disk-web"), vm(1), "why")
FENCE = Fence(V, vm(1), NodeId("n1"), "It is down.")
NO_RAFT = "the records: replace_volume: no answer from the swarm (asked for by the test)"


def both(*attached: int, volume: VolumeRecord | None = None) -> tuple[Desk, World]:
    desk = Desk(volume or record(), *attached, others=(OTHER,))
    w = world(*(on(each) for each in attached), volume=desk.kept)
    return desk, replace(w, volumes=dict(desk.records.store.volumes))

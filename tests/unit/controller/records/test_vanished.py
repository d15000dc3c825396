"""A record that was removed behind our back is missed, by what gates and the storage still show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Attachment, DiskId, MountState, VolumeKey, World
from controller.records.vanished import vanished
from controller.volumes.naming import volume_key
from tests.support.worlds import V, gate, record, vm, world

OURS = DiskId(f"[ds] reberth/{volume_key(V)}-0123abcd.vmdk")
OTHER = DiskId("[ds] reberth/web-0123456789ab-0123abcd.vmdk")
MOUNTED = gate(1, MountState.MOUNTED, 5)
ATTACHED = (Attachment(OURS, vm(1)), Attachment(OTHER, vm(1)))


def test_a_mount_without_a_record_is_told_with_its_disk_and_the_way_back() -> None:
    (told,) = vanished(world(*ATTACHED, gates=[MOUNTED]))

    assert told.startswith("volume data is mounted on VM vm1 and has no record any more")
    assert f"its disk is {OURS}. Take it back with `reberth adopt data --disk KEY" in told
    assert OTHER not in told


@pytest.mark.parametrize(
    "seen",
    [
        world(*ATTACHED, volume=record(disk=OURS), gates=[MOUNTED]),
        world(*ATTACHED, gates=[gate(1, MountState.UNMOUNTED, 5)]),
        world(Attachment(OURS, vm(2)), gates=[MOUNTED]),
        replace(world(*ATTACHED, gates=[MOUNTED]), volumes=None),
        replace(world(*ATTACHED, gates=[MOUNTED]), unreadable={VolumeKey(volume_key(V)): "schema 9"}),
    ],
    ids=["it has one", "not mounted", "the disk is gone there", "records unread", "its record is unreadable"],
)
def test_nothing_is_missed_that_is_there_or_may_be(seen: World) -> None:
    assert vanished(seen) == ()

"""What is said of disks that are attached."""

from __future__ import annotations

from dataclasses import replace

from controller.doctor.storage import disks
from controller.model import Attachment, DiskId, Snapshot, Snapshots, SnapshotState, VmId
from tests.support.healthy_swarm import DATA, HEALTHY, RECORD, world


def test_the_disk_of_a_snapshot_that_a_person_has_attached_is_not_one_that_no_record_names() -> None:
    kept = Snapshot("nightly", "0a1b", SnapshotState.THERE, 0.0, 1, DiskId("snap"))
    volumes = {DATA: replace(RECORD, snapshots=Snapshots((kept,)))}
    there = (Attachment(DiskId("snap"), VmId("vm-m1")), Attachment(DiskId("other"), VmId("vm-m1")))

    found = [*disks(world(volumes=volumes, attachments=there)(HEALTHY))]
    assert [(each.code, each.subject) for each in found] == [("disk-unknown", "other")]

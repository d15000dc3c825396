"""What is written about snapshots rests on what the record says by then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import DiskId, Intent, Operation, Phase, Restoring, Snapshots, SnapshotState, VolumeRecord
from controller.reconciler.snapshots.changes import (
    all_leaving,
    exchanged,
    gone,
    now_failed,
    now_there,
    without_restore,
)
from tests.support.plans import RESTORING, SNAPPED, THERE, WANTED
from tests.support.worlds import DISK, EPOCH, grant, record, vm

NEW = DiskId("disk-new")
AT = 1_700_000_000.0
ORDER = Restoring("nightly", "4e5f6a7b")
SWAP = exchanged(ORDER, DISK, NEW, AT, EPOCH)
LEAVING = replace(WANTED, state=SnapshotState.LEAVING)


def test_a_snapshot_is_there_with_its_disk_and_the_time_at_which_it_was_begun() -> None:
    after = now_there(WANTED, DiskId("snap-1"), AT)(SNAPPED)

    assert after is not None
    assert after.snapshots.each == (replace(THERE, at=AT),)
    failed = now_failed(WANTED, "no room")(SNAPPED)
    assert failed is not None
    assert failed.snapshots.each == (replace(WANTED, state=SnapshotState.FAILED, why="no room"),)


@pytest.mark.parametrize("other", [LEAVING, replace(WANTED, token="another")])
def test_one_that_was_deleted_meanwhile_is_not_there_again(other: object) -> None:
    """Nor is one that was made anew under its name."""
    record_now = record(snapshots=Snapshots((other,)))  # type: ignore[arg-type]
    assert now_there(WANTED, DiskId("snap-1"), AT)(record_now) is None
    assert now_failed(WANTED, "late")(record_now) is None


def test_one_goes_from_the_record_and_another_of_its_name_stays() -> None:
    anew = replace(THERE, token="another")
    assert gone(LEAVING)(record(snapshots=Snapshots((LEAVING,)))) == record()
    assert gone(LEAVING)(record(snapshots=Snapshots((anew,)))) is None


def test_all_of_a_removed_volume_leave_with_what_a_restore_has_made() -> None:
    after = all_leaving(replace(RESTORING, phase=Phase.DELETING))

    assert after is not None
    assert [each.state for each in after.snapshots.each] == [SnapshotState.LEAVING] * 2
    assert [each.own for each in after.snapshots.each] == [False, True]
    assert after.snapshots.restoring is None
    assert all_leaving(RESTORING) is None


def test_a_restore_that_is_given_up_leaves_its_disk_to_be_deleted() -> None:
    after = without_restore(RESTORING)

    assert after.snapshots.restoring is None
    assert after.snapshots.each[1].token == ORDER.token
    assert (after.snapshots.each[1].own, after.snapshots.each[1].state) == (True, SnapshotState.LEAVING)
    assert without_restore(SNAPPED) == SNAPPED


def test_a_restored_volume_has_the_new_disk_and_the_old_one_as_a_snapshot_in_one_write() -> None:
    after = SWAP(RESTORING)

    assert after is not None
    assert (after.disk, after.fs_uuid, after.formatted, after.place) == (NEW, RESTORING.fs_uuid, True, None)
    first, kept = after.snapshots.each
    assert first == THERE
    assert (kept.disk, kept.state, kept.name) == (DISK, SnapshotState.THERE, "before-restore-20231114-221320")
    assert after.snapshots.restoring is None
    assert "restored from snapshot nightly" in after.history[-1].text


@pytest.mark.parametrize(
    "now",
    [
        replace(RESTORING, grants=(grant(1),)),
        replace(RESTORING, intent=Intent(Operation.ATTACH, EPOCH, vm(1))),
        replace(RESTORING, phase=Phase.DELETING),
        replace(RESTORING, disk=DiskId("another")),
        replace(RESTORING, snapshots=replace(RESTORING.snapshots, restoring=Restoring("nightly", "later"))),
        replace(RESTORING, snapshots=replace(RESTORING.snapshots, restoring=None)),
    ],
    ids=["a permission", "a call about its disk", "removed", "another disk", "ordered anew", "given up"],
)
def test_where_anything_else_became_of_the_record_its_disk_stays(now: VolumeRecord) -> None:
    assert SWAP(now) is None


def test_two_restores_within_a_second_keep_both_disks_under_names_of_their_own() -> None:
    once = SWAP(RESTORING)
    assert once is not None
    again = exchanged(ORDER, NEW, DiskId("third"), AT, EPOCH)(
        replace(once, snapshots=replace(once.snapshots, restoring=ORDER))
    )
    assert again is not None
    names = [each.name for each in again.snapshots.each]
    assert len(set(names)) == len(names) == 3

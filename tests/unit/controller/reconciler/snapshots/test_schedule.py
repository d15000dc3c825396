"""When a schedule orders a snapshot, and which of its own it takes away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    DiskId,
    Every,
    Phase,
    Restoring,
    Schedule,
    Snapshot,
    Snapshots,
    SnapshotState,
    Source,
    VolumeName,
    VolumeRecord,
)
from controller.reconciler.snapshots.schedule import MOST, begun, due_at, ordered, overdue_at, thinned
from tests.support.worlds import V, record

DAY, NOW = 86_400.0, 1_000_000_000.0


def kept(number: int, state: SnapshotState = SnapshotState.THERE, *, scheduled: bool = True) -> Snapshot:
    return Snapshot(f"s{number}", f"t{number}", state, 0.0, 1, DiskId(f"d{number}"), scheduled=scheduled)


def of(*each: Snapshot, at: float = NOW, keep: int = 2) -> VolumeRecord:
    made = record(formatted=True, snapshots=Snapshots(each))
    return replace(made, spec=replace(made.spec, schedule=Schedule(Every.DAILY, keep)), scheduled_at=at)


def next_of(found: VolumeRecord, now: float) -> VolumeRecord | None:
    return ordered(found, now, now, "new")


def test_one_is_ordered_in_a_period_and_its_time_with_it() -> None:
    assert next_of(of(), NOW + DAY - 1) is None
    made = next_of(of(), NOW + DAY)
    assert made is not None
    wanted = made.snapshots.each[-1]
    assert (wanted.state, wanted.scheduled, made.scheduled_at) == (SnapshotState.WANTED, True, NOW + DAY)
    assert next_of(made, NOW + DAY + 1) is None


@pytest.mark.parametrize(
    "held",
    [
        of(kept(1, SnapshotState.WANTED, scheduled=False)),
        of(kept(1, SnapshotState.LEAVING)),
        of(*(kept(n, scheduled=False) for n in range(MOST))),
        replace(of(kept(1)), snapshots=Snapshots((kept(1),), Restoring("s1", "r"))),
        replace(of(), phase=Phase.DELETING),
        replace(of(), formatted=False),
        replace(of(), spec=replace(of().spec, schedule=None)),
    ],
    ids=["being made", "leaving", "many", "restoring", "removed", "never used", "no schedule"],
)
def test_none_is_ordered_while_something_is_in_the_way(held: VolumeRecord) -> None:
    assert next_of(held, NOW + 2 * DAY) is None


def test_one_that_failed_is_ordered_again_after_an_hour_and_what_is_left_of_it_goes() -> None:
    held = of(kept(1, SnapshotState.FAILED))
    assert next_of(held, NOW + 3599) is None
    made = next_of(held, NOW + 3600)
    assert made is not None
    assert [each.state for each in made.snapshots.each] == [SnapshotState.LEAVING, SnapshotState.WANTED]


def test_a_time_that_cannot_have_been_begins_a_period_anew_and_orders_none() -> None:
    made = next_of(of(at=NOW + 2 * DAY), NOW)
    assert made is not None
    assert (made.scheduled_at, made.snapshots.each, due_at(made)) == (NOW, (), NOW + DAY)


def test_a_name_that_a_person_took_is_left_to_them() -> None:
    first = next_of(of(), NOW + DAY)
    assert first is not None
    named = replace(first.snapshots.each[-1], scheduled=False, state=SnapshotState.THERE)
    made = next_of(of(named), NOW + DAY)
    assert made is not None
    assert len({each.name for each in made.snapshots.each}) == 2


def test_the_oldest_of_its_own_beyond_those_to_be_kept_go_and_none_of_a_person() -> None:
    held = of(kept(1, scheduled=False), kept(2), kept(3, SnapshotState.FAILED), kept(4), kept(5))
    left = thinned(held, {})
    assert [each.name for each in left.snapshots.each if each.state is SnapshotState.LEAVING] == ["s2"]
    assert thinned(left, {}) == left


def test_none_goes_that_is_being_read() -> None:
    held = of(kept(1), kept(2), kept(3))
    copy = record(disk=None, formatted=False, phase=Phase.CREATING)
    copied = replace(copy, spec=replace(copy.spec, source=Source(V, DiskId("d1"), "uuid", "label")))
    assert thinned(held, {VolumeName("copy"): copied}) == held
    restored = replace(held, snapshots=replace(held.snapshots, restoring=Restoring("s1", "r")))
    assert thinned(restored, {}) == restored


def test_one_that_cannot_be_ordered_since_its_schedule_began_is_late_from_then_on() -> None:
    first = begun(of(at=0.0), NOW)
    assert first is not None
    assert (due_at(first), overdue_at(first)) == (NOW, NOW + 3600)
    assert begun(first, NOW) is None

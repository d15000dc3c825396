"""What is next about a snapshot, by the records and the storage's list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    Intent,
    Operation,
    PausedPart,
    Phase,
    Snapshot,
    Snapshots,
    SnapshotState,
    VolumeRecord,
    World,
)
from controller.reconciler.snapshots.steps import (
    PATIENCE,
    Await,
    Drop,
    DropAll,
    GiveUp,
    Make,
    Restore,
    Step,
    next_steps,
    restore_of,
)
from tests.support.plans import RESTORING, SNAPPED, THERE, WANTED
from tests.support.worlds import DISK, EPOCH, V, claim, grant, on, record, vm, world

LEAVING = replace(THERE, state=SnapshotState.LEAVING)


def steps(w: World, now: float = 0.0, *, in_use: bool = True) -> tuple[Step, ...]:
    return next_steps(w, now, in_use=in_use)


def having(*each: Snapshot, phase: Phase = Phase.READY) -> VolumeRecord:
    return record(snapshots=Snapshots(each), phase=phase)


def test_a_volume_without_snapshots_has_nothing_to_do() -> None:
    assert steps(world(on(1), volume=record())) == ()


def test_a_disk_in_use_is_copied_where_the_driver_can() -> None:
    assert steps(world(on(1), volume=SNAPPED, wanted=claim(1))) == (Make(V, WANTED, DISK),)


def test_where_the_driver_cannot_a_disk_in_use_is_told_and_given_up() -> None:
    (step,) = steps(world(on(1), volume=SNAPPED, wanted=claim(1)), in_use=False)

    assert isinstance(step, GiveUp)
    assert "docker service scale db=0" in step.why


@pytest.mark.parametrize("in_use", [True, False])
def test_a_disk_that_is_attached_nowhere_and_that_nobody_wants_is_copied(in_use: bool) -> None:
    assert steps(world(volume=SNAPPED), in_use=in_use) == (Make(V, WANTED, DISK),)


def test_a_disk_on_its_way_to_a_task_is_not_held_up_by_a_copy() -> None:
    (step,) = steps(world(volume=SNAPPED, wanted=claim(1)))

    assert step == Await(V, "nightly", "the disk of volume data is on its way to a node")


def test_one_by_schedule_is_made_of_a_disk_in_use_alone_and_holds_up_no_task_that_comes() -> None:
    ordered = replace(WANTED, scheduled=True)
    held = having(ordered)
    assert steps(world(on(1), volume=held, wanted=claim(1))) == (Make(V, ordered, DISK),)
    moving = Await(V, "nightly", "the disk of volume data is on its way to a node")
    assert steps(world(volume=held, wanted=claim(1))) == (moving,)
    assert steps(world(volume=held)) == (GiveUp(V, ordered, "no service uses volume data any more"),)


def test_a_disk_that_is_idle_on_a_vm_is_awaited_where_the_driver_copies_at_rest_alone() -> None:
    (step,) = steps(world(on(1), volume=SNAPPED), in_use=False)

    assert step == Await(V, "nightly", "the disk of volume data is being detached")


def test_a_disk_that_may_be_on_a_machine_that_was_not_read_is_not_copied() -> None:
    (step,) = steps(world(volume=SNAPPED, unlisted=("a host is away",)))

    assert isinstance(step, Await)
    assert "a host is away" in step.why


def test_what_comes_too_late_is_given_up() -> None:
    """Whoever ordered a snapshot goes on then, and what came after that is not what was meant."""
    w = world(on(1), volume=SNAPPED)
    assert steps(w, PATIENCE) == (Make(V, WANTED, DISK),)
    assert steps(w, PATIENCE + 1) == (GiveUp(V, WANTED, ""),)


def test_one_without_a_disk_of_its_volume_is_given_up() -> None:
    (step,) = steps(world(volume=replace(SNAPPED, disk=None)))

    assert isinstance(step, GiveUp)


def test_one_that_is_to_be_deleted_is_dropped_and_one_that_is_there_stays() -> None:
    assert steps(world(on(1), volume=having(THERE, replace(LEAVING, name="old")))) == (
        Drop(V, replace(LEAVING, name="old")),
    )


def test_snapshots_of_a_removed_volume_are_kept_as_long_as_it_can_be_taken_back() -> None:
    removed = having(THERE, phase=Phase.DELETING)
    assert steps(world(volume=removed, kept={V: 60.0})) == ()
    assert steps(world(volume=removed)) == (DropAll(V),)
    assert steps(world(volume=having(LEAVING, phase=Phase.DELETING))) == (Drop(V, LEAVING),)
    assert steps(world(volume=replace(RESTORING, phase=Phase.DELETING))) == (DropAll(V),)


def test_a_volume_is_restored_when_nobody_can_have_its_disk() -> None:
    restoring = RESTORING.snapshots.restoring
    assert restoring is not None
    assert steps(world(volume=RESTORING)) == (Restore(V, restoring, THERE),)
    assert steps(world(volume=RESTORING, wanted=claim(1))) == (Restore(V, restoring, THERE),)


@pytest.mark.parametrize(
    "w",
    [
        world(on(1), volume=RESTORING),
        world(volume=RESTORING, unlisted=("a host is away",)),
        world(volume=replace(RESTORING, grants=(grant(1),))),
        world(volume=replace(RESTORING, intent=Intent(Operation.ATTACH, EPOCH, vm(1)))),
        world(volume=replace(RESTORING, snapshots=replace(RESTORING.snapshots, each=()))),
    ],
    ids=["attached", "not all was read", "a permission", "a call about it", "its snapshot is gone"],
)
def test_until_then_it_waits_and_says_why(w: World) -> None:
    (step,) = steps(w)

    assert isinstance(step, Await)
    assert step.name == restore_of("nightly")
    assert step.why


@pytest.mark.parametrize(
    "w",
    [
        world(on(1), volume=SNAPPED, paused="work"),
        world(on(1), volume=SNAPPED, paused_parts=(PausedPart("work", volume=V),)),
        replace(world(volume=SNAPPED), attachments=None),
        replace(world(volume=SNAPPED), claims=None),
    ],
    ids=["all is paused", "the volume is paused", "the storage is unread", "Swarm is unread"],
)
def test_nothing_is_done_about_what_is_paused_or_not_read(w: World) -> None:
    assert steps(w) == ()

"""No empty volume is made where the storage still has the disk of an earlier one of the same name (law 5)."""

from __future__ import annotations

from controller.model import DiskId, Phase
from controller.planner.actions import CreateDisk
from controller.reconciler.record_writer import PROGRESS, Setback
from drivers.memory_storage import Fault, Reading
from tests.support.executors import Desk
from tests.support.worlds import V, record, world

NEW = record(phase=Phase.CREATING, disk=None, formatted=False)
MADE = DiskId("memory-data-75666699")
LOST = DiskId("memory-data-0123abcd")


async def test_a_disk_that_no_record_knows_keeps_its_name_from_beginning_empty() -> None:
    """A swarm made anew finds the data of the old one, says which disk it is, and touches nothing."""
    desk = Desk(NEW)
    desk.storage.create(LOST, 1 << 30)

    ended = await desk.do(world(volume=NEW), CreateDisk(V))

    assert isinstance(ended, Setback)
    assert ended.why == (
        "the storage refused to create: there is a disk data-0123abcd of an earlier volume data that this swarm has no "
        "record of, and it may hold its data"
    )
    assert (ended.cure or "").startswith(
        "To have that data again: `reberth adopt data --disk data-0123abcd`, if no other"
    )
    assert "two swarms in one folder" in (ended.cure or "")
    assert desk.storage.disks == {LOST: 1 << 30}
    assert (desk.kept.disk, desk.kept.intent) == (None, None)


async def test_the_disk_of_the_same_record_is_found_again() -> None:
    """A controller that died after the call and before its record was written has left no stranger."""
    desk = Desk(NEW)
    desk.storage.create(MADE, 1 << 30)

    assert await desk.do(world(volume=NEW), CreateDisk(V)) == PROGRESS
    assert desk.kept.disk == MADE


async def test_a_volume_whose_name_begins_alike_is_no_earlier_one() -> None:
    """``data`` and ``database`` have nothing to do with each other."""
    desk = Desk(NEW)
    desk.storage.create(DiskId("memory-database-0123abcd"), 1 << 30)

    assert await desk.do(world(volume=NEW), CreateDisk(V)) == PROGRESS


async def test_nothing_is_made_while_the_storages_disks_cannot_be_listed() -> None:
    """Not read is not empty: the loop looks again."""
    desk = Desk(NEW)
    desk.storage.fail(Reading.KEYS, Fault.UNREACHABLE)

    ended = await desk.do(world(volume=NEW), CreateDisk(V))

    assert isinstance(ended, Setback)
    assert ended.why.startswith("the storage could not be asked to create: ")
    assert "None" not in ended.why
    assert desk.storage.disks == {}

"""Records come back from a backup where none are, with disks that are there and free, and epochs never go back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from msgspec import structs

from controller.model import DiskId, Epoch, Intent, NodeId, Operation, PausedPart, Phase, TaskId, VmId, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.operator import Adopt, Backup, Import, Imported, StoredRecord
from controller.records.base import Leadership
from controller.records.codec import volume_content
from controller.records.epochs import MOST_AHEAD
from controller.volumes.naming import disk_key, volume_key
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime

WEB = VolumeName("web")


async def export(play: Scene) -> Backup:
    found = await play.one.backup_requests.export()
    assert not isinstance(found, Rejection)
    return found


async def bring_back(play: Scene, found: Backup, *, check: bool = False) -> Imported | Rejection:
    return await play.one.backup_requests.bring_back(Import(found.epoch, found.records, check, "ann"))


async def refused(play: Scene, found: Backup) -> str:
    told = await bring_back(play, found)
    assert isinstance(told, Imported), told
    assert told.taken == ()
    (why,) = told.refused
    return why


async def used(play: Scene) -> Backup:
    """A service has it, and a backup was made meanwhile."""
    await play.make()
    play.want("a")
    await play.until(("a",))
    play.cluster.swarm.started.add(TaskId("t1"))
    await asyncio.sleep(5)
    return await export(play)


async def test_records_that_were_swept_away_come_back_under_a_running_container_with_all_that_was_asked_for() -> None:
    async with scene() as play:
        found = await used(play)
        before = play.cluster.record()
        play.cluster.store.volumes.clear()
        await asyncio.sleep(5)

        told = await bring_back(play, found)
        assert isinstance(told, Imported)
        assert told.taken == (f"volume data has its record again, with disk {before.disk}",)
        await asyncio.sleep(30)
        after = play.cluster.record()
        assert (after.spec, after.key, after.fs_uuid, after.disk) == (
            before.spec,
            before.key,
            before.fs_uuid,
            before.disk,
        )
        assert after.serial > before.serial
        assert play.cluster.writers() == ("vm-a",)
        assert play.one.state.why(DATA).endswith("where its task runs.")
        assert any("brought back from a backup, said ann" in each.text for each in after.history)


async def test_a_service_moves_on_after_its_record_came_back() -> None:
    async with scene() as play:
        found = await used(play)
        play.cluster.store.volumes.clear()
        await bring_back(play, found)
        await asyncio.sleep(5)
        play.cluster.crash("a")
        play.cluster.down("a")
        play.want("b", "t2")
        await play.until(("b",))


async def test_the_epoch_afterwards_is_above_all_that_the_backup_knows() -> None:
    """The records of who acts were swept away too: the storage bears stamps of epochs that came before."""
    async with scene() as play:
        found = await used(play)
        play.cluster.store.volumes.clear()
        await bring_back(play, Backup(70, found.at, found.records))
        assert play.one.lead.epoch == 71
        assert play.cluster.store.leadership is not None
        assert play.cluster.store.leadership.epoch == 71


async def test_a_backup_with_an_epoch_that_no_leader_had_changes_nothing() -> None:
    async with scene() as play:
        found = await used(play)
        play.cluster.store.volumes.clear()
        told = await bring_back(play, Backup(MOST_AHEAD + 10, found.at, found.records))
        assert isinstance(told, Rejection)
        assert "no leader can have had" in told.why
        assert play.cluster.store.volumes == {}
        assert play.one.lead.epoch == 1


async def test_whoever_was_deposed_imports_nothing() -> None:
    async with scene() as play:
        found = await used(play)
        play.cluster.store.volumes.clear()
        rival = play.cluster.store.leadership
        assert rival is not None
        play.cluster.store.leadership = Leadership(Epoch(2), NodeId("b"), "there:1", version=play.cluster.store.next())
        told = await bring_back(play, found)
        assert isinstance(told, Rejection)
        assert play.cluster.store.volumes == {}


async def test_a_record_that_is_there_stays_as_it_is() -> None:
    async with scene() as play:
        found = await used(play)
        before = play.cluster.record()
        assert "it has a record, which is kept as it is" in await refused(play, found)
        assert play.cluster.record() == before


async def test_what_docker_made_for_the_name_meanwhile_makes_room() -> None:
    """A stack is deployed before the import: its empty disk was refused, because the storage has the old one."""
    async with scene() as play:
        found = await used(play)
        play.cluster.swarm.wants.clear()
        await play.cluster.gates[NodeId("a")].stop(DATA)
        await asyncio.sleep(60)
        play.cluster.store.volumes.clear()
        await play.make()
        play.want("b", "t2")
        await asyncio.sleep(5)
        assert play.cluster.record().phase is Phase.CREATING

        told = await bring_back(play, found)
        assert isinstance(told, Imported)
        assert told.refused == ()
        play.want("b", "t3")  # the one before was refused at once
        await play.until(("b",))
        assert len(play.cluster.storage.disks) == 1


async def test_a_disk_that_is_gone_or_has_a_brother_is_refused_with_the_way_out() -> None:
    async with scene() as play:
        found = await used(play)
        record = play.cluster.store.volumes.pop(DATA)
        other = disk_key(volume_key(DATA), "another life")
        play.cluster.storage.create(DiskId(f"memory-{other}"), 1 << 30)
        why = await refused(play, found)
        assert "the storage has another: there was another" in why
        assert f"`reberth adopt data --disk {other}`" in why

        assert record.disk is not None
        play.cluster.crash("a")
        play.cluster.storage.detach(record.disk, VmId("vm-a"), Epoch(9))
        play.cluster.storage.delete(record.disk)
        assert f"the storage has no disk {record.disk}: there was another" in await refused(play, found)
        assert play.cluster.store.volumes == {}


async def test_a_disk_on_a_machine_that_nothing_vouches_for_is_refused() -> None:
    """Nobody knows any more who has a permission: the disk's place has to tell."""
    async with scene() as play:
        found = await used(play)
        play.cluster.store.volumes.clear()
        play.cluster.gates[NodeId("a")].frozen = True
        await asyncio.sleep(60)
        assert "nothing says whether it is in use there" in await refused(play, found)
        assert play.cluster.store.volumes == {}


async def test_a_check_changes_nothing() -> None:
    async with scene() as play:
        found = await used(play)
        play.cluster.store.volumes.clear()
        told = await bring_back(play, replace_epoch(found, 9), check=True)
        assert isinstance(told, Imported)
        assert "would be brought back" in told.taken[0]
        assert play.cluster.store.volumes == {}
        assert play.one.lead.epoch == 1


def replace_epoch(found: Backup, epoch: int) -> Backup:
    return Backup(epoch, found.at, found.records)


async def test_one_bad_record_keeps_none_of_the_others_away() -> None:
    async with scene() as play:
        found = await used(play)
        record = play.cluster.store.volumes.pop(DATA)
        deleting = replace(record, intent=Intent(Operation.DELETE, Epoch(1)), name=WEB, key=volume_key(WEB))
        renamed = replace(record, name=WEB)
        blank = replace(record, disk=None, name=WEB, key=volume_key(WEB))
        bad = [stored(each) for each in (deleting, renamed, blank)]
        told = await bring_back(
            play, Backup(1, 0.0, (*bad[:2], StoredRecord("{", "{}"), found.records[0], found.records[0]))
        )
        assert isinstance(told, Imported)
        assert len(told.taken) == 1
        words = ("being deleted", "changed by hand", "not a record", "twice in the backup")
        assert all(word in why for word, why in zip(words, told.refused, strict=True))
        assert "had no disk yet" in await refused(play, Backup(1, 0.0, (bad[2],)))


def stored(record: object) -> StoredRecord:
    content = volume_content(record)  # type: ignore[arg-type]
    return StoredRecord(content.facts.decode(), content.state.decode())


async def test_a_disk_that_was_adopted_comes_back_too() -> None:
    """Of its label only a digest is known, and its key may be that of another name."""
    cluster = FakeCluster()
    key = disk_key(volume_key(DATA), "0d6a3b0c-9f1e-4a53-8a8f-2c7c3f5f4b11")
    cluster.storage.create(DiskId(f"memory-{key}"), 1 << 30)
    async with scene(cluster) as play:
        await play.one.adoption_requests.adopt(Adopt(WEB, key, "1GiB"))
        found = await export(play)
        before = cluster.store.volumes.pop(WEB)
        told = await bring_back(play, found)
        assert isinstance(told, Imported)
        assert told.refused == ()
        assert cluster.record(WEB).disk == before.disk
        assert cluster.record(WEB).adopted


async def test_a_record_that_cannot_be_read_is_missing_in_the_backup_by_name_and_holds_an_import() -> None:
    async with scene() as play:
        found = await used(play)
        play.cluster.store.unreadable[DATA] = "schema 9"
        await asyncio.sleep(5)
        assert (await export(play)).missing == ("schema 9",)
        assert (await export(play)).records == ()
        told = await bring_back(play, found)
        assert isinstance(told, Rejection)
        assert "cannot be read" in told.why


async def test_a_removal_that_was_under_way_is_not_finished_by_an_import() -> None:
    """Whoever brings a record back wants the data."""
    cluster = FakeCluster()
    cluster.keep_removed = 300.0
    async with scene(cluster) as play:
        found = await used(play)
        record = cluster.store.volumes.pop(DATA)
        removed = replace(record, phase=Phase.DELETING, delete_at=1.0)
        await bring_back(play, Backup(found.epoch, 0.0, (stored(removed),)))
        assert (cluster.record().phase, cluster.record().delete_at) == (Phase.READY, None)
        await asyncio.sleep(60)
        assert cluster.storage.disks


async def test_what_was_paused_is_paused_again_before_the_records_come_back() -> None:
    part, ended = PausedPart("it is copied", volume=DATA), PausedPart("x (until 2001-01-01 00:00:00 UTC)", volume=WEB)
    async with scene() as play:
        await play.make()
        await asyncio.sleep(5)
        play.one.lead.paused, play.one.lead.paused_parts = "works", (part, ended)
        found = await export(play)
        play.one.lead.paused, play.one.lead.paused_parts = None, ()
        play.cluster.store.volumes.clear()
        await asyncio.sleep(5)
        asked = Import(found.epoch, found.records, True, "ann", found.paused, found.paused_parts)
        assert isinstance(await play.one.backup_requests.bring_back(asked), Imported)
        assert (play.one.lead.paused, play.one.lead.paused_parts) == (None, ())
        assert isinstance(await play.one.backup_requests.bring_back(structs.replace(asked, check=False)), Imported)
        assert [play.one.lead.paused, *play.one.lead.paused_parts] == ["works", part]


async def test_what_a_person_paused_since_goes_before_what_the_backup_says() -> None:
    async with scene() as play:
        await play.make()
        await asyncio.sleep(5)
        play.one.lead.paused, play.one.lead.paused_parts = "works", (PausedPart("old", volume=DATA),)
        found = await export(play)
        new = PausedPart("new", volume=DATA)
        play.one.lead.paused, play.one.lead.paused_parts = "later works", (new,)
        await play.one.backup_requests.bring_back(
            Import(found.epoch, (), False, "ann", found.paused, found.paused_parts)
        )
        assert (play.one.lead.paused, play.one.lead.paused_parts) == ("later works", (new,))

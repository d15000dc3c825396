"""The faults of the records in memory: each does what it says and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Epoch, NodeId, Serial, Spec, VolumeName, VolumeRecord
from controller.records.base import Leadership, RecordsUnavailable, Stale
from controller.records.memory import Call, Fault, MemoryRecords, MemoryStore
from controller.volumes.naming import volume_key

NAME = VolumeName("pgdata")
RECORD = VolumeRecord(NAME, volume_key(NAME), Spec(1 << 30), "uuid")


async def test_a_write_lost_before_is_in_doubt_and_did_not_happen() -> None:
    records = MemoryRecords()
    records.fail(Call.CREATE_VOLUME, Fault.LOST_BEFORE)

    with pytest.raises(RecordsUnavailable):
        await records.create_volume(RECORD)
    assert await records.volumes() == {}


async def test_a_write_lost_after_is_in_doubt_and_did_happen() -> None:
    records = MemoryRecords()
    records.fail(Call.CREATE_VOLUME, Fault.LOST_AFTER)

    with pytest.raises(RecordsUnavailable):
        await records.create_volume(RECORD)
    assert NAME in await records.volumes()


async def test_a_stale_write_leaves_a_newer_version_behind() -> None:
    records = MemoryRecords()
    made = await records.create_volume(RECORD)
    assert isinstance(made, VolumeRecord)
    records.fail(Call.REPLACE_VOLUME, Fault.STALE)

    assert isinstance(await records.replace_volume(replace(made, serial=Serial(1))), Stale)
    found = (await records.volumes())[NAME]
    assert (found.serial, found.version > made.version) == (0, True)


async def test_a_fault_is_met_once() -> None:
    records = MemoryRecords()
    records.fail(Call.VOLUMES, Fault.LOST_BEFORE)
    with pytest.raises(RecordsUnavailable):
        await records.volumes()

    assert await records.volumes() == {}


async def test_without_a_way_to_the_store_every_call_fails_and_the_store_stays() -> None:
    store = MemoryStore()
    cut_off, other = MemoryRecords(store), MemoryRecords(store)
    cut_off.reachable = False

    with pytest.raises(RecordsUnavailable):
        await cut_off.replace_leadership(Leadership(Epoch(1), NodeId("n1"), "a:1"))
    assert await other.leadership() is None

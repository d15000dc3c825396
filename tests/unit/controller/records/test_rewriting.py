"""A record is changed by what is read in the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from controller.model import Serial, Spec, VolumeKey, VolumeName, VolumeRecord
from controller.records.memory import Call, Fault, MemoryRecords, MemoryStore
from controller.records.rewriting import ATTEMPTS, Contended, rewrite

NAME = VolumeName("data")


class Counting:
    """A change: the next serial. Remembers which version it saw each time."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, known: Mapping[VolumeName, VolumeRecord]) -> VolumeRecord | None:
        record = known.get(NAME)
        if record is None:
            return None
        self.seen.append(record.version)
        return replace(record, serial=Serial(record.serial + 1))


@pytest.fixture
async def records() -> MemoryRecords:
    made = MemoryRecords(MemoryStore())
    await made.create_volume(VolumeRecord(NAME, VolumeKey("data-1"), Spec(10), fs_uuid="u"))
    return made


async def test_what_others_wrote_meanwhile_is_read_before_it_is_tried_again(records: MemoryRecords) -> None:
    change = Counting()
    records.fail(Call.REPLACE_VOLUME, Fault.STALE)
    written = await rewrite(records, NAME, change)

    assert written == (await records.volumes())[NAME]
    assert (written.serial, len(set(change.seen))) == (1, 2)


async def test_whoever_is_always_late_is_told_and_has_written_nothing(records: MemoryRecords) -> None:
    for _ in range(ATTEMPTS):
        records.fail(Call.REPLACE_VOLUME, Fault.STALE)
    change = Counting()

    assert await rewrite(records, NAME, change) == Contended(NAME)
    assert len(change.seen) == ATTEMPTS
    assert (await records.volumes())[NAME].serial == 0
    assert str(Contended(NAME)) == "the record of volume data is being changed all the time"


async def test_what_is_no_record_is_given_back_and_nothing_is_written(records: MemoryRecords) -> None:
    assert await rewrite(records, NAME, lambda _: "not now") == "not now"
    assert (await records.volumes())[NAME].serial == 0

"""
What the probe beside PostgreSQL wrote into the volume: who wrote, when, and whether two ever wrote at once. Pure.

The file is a ring of slots of 4096 bytes, each a text line padded with spaces:
``reberth-probe 1 EPOCH TASK NODE SEQ UNIXTIME_MS`` in slot SEQ modulo the number of slots. A writer goes on after the
highest SEQ that it finds, and each record is on the disk (O_DIRECT, O_DSYNC) before the next one is written. So SEQ is
the order of the writes, and a writer that lives on beside the next one shows: as its record after the other's first
one, as a record of a time not before it, or as a number that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SLOT = 4096
MAGIC = b"reberth-probe 1 "


@dataclass(frozen=True, slots=True)
class Writer:
    """One task's mount of the volume on one node."""

    epoch: int
    task: str
    node: str


@dataclass(frozen=True, slots=True)
class Record:
    writer: Writer
    sequence: int  # grows by one with each record, across writers
    at: float  # unix seconds by the writer's clock


@dataclass(frozen=True, slots=True)
class Span:
    """One writer's life in the file."""

    writer: Writer
    first: float
    last: float
    records: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the probe's file says about the volume's writers."""

    spans: tuple[Span, ...] = ()  # in the order of their first record
    overlaps: int = 0
    holes: int = 0  # numbers missing between the first and the last one
    unreadable: int = 0  # slots that hold something else than a record

    @property
    def records(self) -> int:
        return sum(span.records for span in self.spans)


def parse(data: bytes) -> tuple[list[Record], int]:
    """Records in the order of their sequence, and how many slots hold something else."""
    records: list[Record] = []
    unreadable = 0
    for slot in range((len(data) + SLOT - 1) // SLOT):
        raw = data[slot * SLOT : (slot + 1) * SLOT]
        if not raw.strip(b"\0"):
            continue
        record = _record(raw)
        if record is None:
            unreadable += 1
        else:
            records.append(record)
    records.sort(key=lambda record: record.sequence)
    return records, unreadable


def _record(raw: bytes) -> Record | None:
    words = raw.rstrip(b" \n\0").split(b" ")
    if not raw.startswith(MAGIC) or len(words) != 7:
        return None
    try:
        writer = Writer(epoch=int(words[2]), task=words[3].decode(), node=words[4].decode())
        return Record(writer=writer, sequence=int(words[5]), at=int(words[6]) / 1000)
    except ValueError:
        return None


def read(data: bytes) -> Reading:
    """Counts overlaps and holes in the whole file."""
    records, unreadable = parse(data)
    groups: dict[Writer, list[Record]] = {}
    for record in records:
        groups.setdefault(record.writer, []).append(record)
    ordered = list(groups.values())
    return Reading(
        spans=tuple(_span(group) for group in ordered),
        overlaps=sum(_overlaps(ordered[:n], group) for n, group in enumerate(ordered) if n > 0),
        holes=_missing([record.sequence for record in records]),
        unreadable=unreadable,
    )


def _span(group: Sequence[Record]) -> Span:
    times = [record.at for record in group]
    return Span(writer=group[0].writer, first=min(times), last=max(times), records=len(group))


def _overlaps(earlier: Sequence[Sequence[Record]], group: Sequence[Record]) -> int:
    """
    Records of earlier writers after the first one of this one, or not before its first time; and this one's own
    records under an epoch lower than an earlier writer's: an old permission that outlived a newer one.
    """
    start = group[0].sequence
    first = min(record.at for record in group)
    older = [record for others in earlier for record in others]
    late = sum(1 for record in older if record.sequence > start or record.at >= first)
    stale = max(record.writer.epoch for record in older) > group[0].writer.epoch
    return late + (len(group) if stale else 0)


def _missing(numbers: Sequence[int]) -> int:
    return max(numbers) - min(numbers) + 1 - len(set(numbers)) if numbers else 0

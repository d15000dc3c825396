"""A volume's record is changed by what the records say in the same moment: read, decided, written, and once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from controller.model import VolumeName, VolumeRecord
from controller.records.base import Records, Stale

ATTEMPTS = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contended:
    """Others wrote first, each time: nothing was written."""

    volume: VolumeName

    def __str__(self) -> str:
        return f"the record of volume {self.volume} is being changed all the time"


async def rewrite(
    records: Records, volume: VolumeName, change: Callable[[Mapping[VolumeName, VolumeRecord]], VolumeRecord | T]
) -> VolumeRecord | T | Contended:
    """
    The record as it was written; or what ``change`` gives in place of one, which writes nothing.

    ``change`` is asked again, of what is read then, when somebody else wrote first. Raises RecordsUnavailable.
    """
    for _ in range(ATTEMPTS):
        after = change(await records.volumes())
        if not isinstance(after, VolumeRecord):
            return after
        written = await records.replace_volume(after)
        if not isinstance(written, Stale):
            return written
    return Contended(volume)

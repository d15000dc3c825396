"""What tests of drivers ask of one again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reberth.driver import Created, DiskId, Epoch, Outcome, Spec, StorageDriver, VmId, VolumeKey

SIZE = 64 * 2**20
ONE, TWO, THREE = Epoch(1), Epoch(2), Epoch(3)


class Driven(Protocol):
    """Any rig: what is under test is its driver."""

    @property
    def driver(self) -> StorageDriver: ...


async def new_disk(rig: Driven, name: str = "data") -> DiskId:
    created = await rig.driver.create(VolumeKey(name), Spec(SIZE))
    assert isinstance(created, Created), created
    return created.disk


async def held(rig: Driven) -> set[tuple[DiskId, VmId]]:
    return {(each.disk, each.vm) for each in (await rig.driver.list_attachments()).attachments}


async def stamp(rig: Driven, disk: DiskId) -> Epoch | None:
    return next(each.epoch for each in (await rig.driver.list_attachments()).attachments if each.disk == disk)


def kinds(outcomes: Sequence[Outcome]) -> list[type[Outcome]]:
    return [type(each) for each in outcomes]

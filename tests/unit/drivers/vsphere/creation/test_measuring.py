"""What disks take on datastores, and that the room is told without it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from drivers.base import Room
from drivers.shared.faults import Doubt
from drivers.vsphere.creation.measuring import measure, taken
from drivers.vsphere.inventory import Found, Place

pytestmark = pytest.mark.looptime
ONE, TWO = Place("datastore-1", "DS", "reberth"), Place("datastore-2", "SAN", "reberth")


@dataclass
class Server:
    """Two datastores; one does not answer a search, or never ends it."""

    fails: bool = False

    async def rooms(self, at: Sequence[Place]) -> Mapping[str, Room]:
        return {each.name: Room(f"the datastore {each.name}", 1, 2) for each in at}

    async def files(self, at: Place, pattern: str) -> tuple[Found, ...]:
        assert pattern == "*.vmdk"
        if at is TWO and self.fails:
            raise Doubt("nobody answers")
        if at is TWO:
            await asyncio.sleep(3600)
        return (Found("data.vmdk", 1 << 20, 4096),)


def test_a_disk_takes_what_its_descriptor_is_said_to_and_files_beside_it_do_not_count() -> None:
    found = [
        Found("data.vmdk", 1 << 20, 4096),
        Found("data-flat.vmdk", None, 7),
        Found("mute.vmdk", 1 << 20),
        Found("_copy.0123.data.vmdk", 1 << 20, 9),
    ]
    assert taken(found, ONE) == {"[DS] reberth/data.vmdk": 4096}


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "never ends"])
async def test_room_is_told_also_where_the_search_of_a_folder_fails_or_lasts(fails: bool) -> None:
    first, second = await measure(Server(fails), [ONE, TWO])
    assert first.used == {"[DS] reberth/data.vmdk": 4096}
    assert second == replace(first, name="the datastore SAN", used={})

"""Whether the storage has room for a snapshot that nobody asked for just now."""

from __future__ import annotations

import pytest

from controller.reconciler.snapshots.room import Rooms
from controller.reconciler.state import LoopState
from drivers.base import Room
from tests.support.worlds import DISK, record

GIB = 1 << 30


def rooms(*each: Room) -> Rooms:
    state = LoopState(lambda: 0.0)
    state.rooms = each
    return Rooms(state)


@pytest.mark.parametrize(
    ("found", "lacks"),
    [
        ((), False),
        ((Room("the pool", 3 * GIB, 20 * GIB),), False),
        ((Room("the pool", 3 * GIB - 1, 20 * GIB),), True),
        ((Room("the pool", 101 * GIB, 9999 * GIB),), False),
        ((Room("full", 0, 20 * GIB), Room("its", 9 * GIB, 20 * GIB, {DISK: 1})), False),
        ((Room("full", 0, 20 * GIB), Room("wide", 9 * GIB, 20 * GIB)), True),
    ],
    ids=["nothing told", "a tenth is left", "less is left", "100 GiB are left", "its own place", "perhaps its own"],
)
def test_a_tenth_of_the_room_or_100_gib_stay_free(found: tuple[Room, ...], lacks: bool) -> None:
    assert (rooms(*found).lack(record()) is not None) is lacks


def test_what_was_ordered_since_the_room_was_read_counts_until_it_is_read_again() -> None:
    state = LoopState(lambda: 0.0)
    state.rooms = (Room("the pool", 3 * GIB, 20 * GIB),)
    kept = Rooms(state)
    assert kept.lack(record()) is None
    kept.promised(record())
    assert kept.lack(record()) == (
        "3 of 20 GiB are free on the pool, and a snapshot may take 1024 MiB: make room, delete snapshots (`reberth "
        "snapshot list data`), or keep fewer"
    )
    state.rooms = (Room("the pool", 3 * GIB, 20 * GIB),)
    assert kept.lack(record()) is None

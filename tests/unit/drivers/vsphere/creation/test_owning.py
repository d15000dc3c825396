"""The notes of swarms in vSphere's folders, where vCenter tells of some of them only."""

from __future__ import annotations

import pytest

from drivers.base import Done, Refused
from drivers.owners import Owners
from drivers.shared.faults import CallError, Doubt, NotSent
from drivers.vsphere.creation.owning import Notes
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Found, Place

ONE, TWO = "the folder [ONE] reberth", "the folder [TWO] reberth"


class Folders:
    """Two datastores with our folder. ``errors``: what vCenter answers about one of them."""

    def __init__(self, **errors: CallError) -> None:
        self.errors = errors
        self.names: dict[str, set[str]] = {"ONE": set(), "TWO": set()}

    async def place(self) -> Place:
        return Place("ds-1", "ONE", "reberth", others=(Place("ds-2", "TWO", "reberth"),))

    async def files(self, at: Place, pattern: str) -> tuple[Found, ...]:
        assert pattern == "_swarm.*"
        if at.name in self.errors:
            raise self.errors[at.name]
        return tuple(Found(each, None) for each in sorted(self.names[at.name]))

    async def make_folder(self, at: Place) -> None:
        assert at.name in self.names

    async def create_disk(self, path: str, size_kib: int, disk_format: str, policy: str | None) -> None:
        where, name = _parts(path)
        if name in self.names[where]:
            raise Fault(Kind.EXISTS, "it is there")
        self.names[where] |= {name, name.replace(".vmdk", "-flat.vmdk")}

    async def delete_disk(self, path: str) -> None:
        where, name = _parts(path)
        if name not in self.names[where]:
            raise Fault(Kind.NOT_FOUND, "it is not there")
        self.names[where] -= {name, name.replace(".vmdk", "-flat.vmdk")}


def _parts(path: str) -> tuple[str, str]:
    return path[1:].partition("]")[0], path.rpartition("/")[2]


async def test_a_note_is_made_in_each_folder_and_may_be_made_and_taken_away_twice() -> None:
    notes = Notes(Folders())
    assert [await notes.put("mine"), await notes.put("mine")] == [Done(), Done()]
    assert await notes.owners() == Owners({ONE: frozenset({"mine"}), TWO: frozenset({"mine"})})
    assert [await notes.remove("mine"), await notes.remove("mine")] == [Done(), Done()]
    assert await notes.owners() == Owners({ONE: frozenset(), TWO: frozenset()})


async def test_a_folder_that_is_not_there_yet_is_nobody_s() -> None:
    assert (await Notes(Folders(TWO=Fault(Kind.NOT_FOUND, "no folder"))).owners()).each[TWO] == frozenset()


async def test_one_that_cannot_be_listed_now_is_a_gap_and_where_none_can_it_is_an_error() -> None:
    """It is asked about again before it is used."""
    for error in (NotSent("gone"), Doubt("late"), Fault(Kind.DATASTORE, "not to be reached")):
        found = await Notes(Folders(TWO=error)).owners()
        assert (list(found.each), len(found.gaps)) == ([ONE], 1)
        with pytest.raises(CallError):
            await Notes(Folders(ONE=error, TWO=error)).owners()


async def test_without_the_right_to_browse_nothing_is_told_and_nothing_waits_for_it() -> None:
    denied = Fault(Kind.PERMISSION, "no right")
    assert await Notes(Folders(ONE=denied, TWO=denied)).owners() == Owners()


async def test_a_note_that_is_refused_says_why() -> None:
    class Full(Folders):
        async def make_folder(self, at: Place) -> None:
            raise Fault(Kind.NO_SPACE, f"{at.name} is full")

    outcome = await Notes(Full()).put("mine")
    assert isinstance(outcome, Refused)
    assert "ONE is full" in outcome.why

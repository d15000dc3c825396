"""Two swarms never use one place: the first leader that looks notes whose it is."""

from __future__ import annotations

from controller.model import Epoch
from drivers.base import Outcome, Refused
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage, Reading
from drivers.owners import Home, Owners

ONE, TWO = Epoch(1), Epoch(2)


def home(storage: MemoryStorage, swarm: str = "mine", *replaced: str, driver: MemoryDriver | None = None) -> Home:
    async def own() -> str:
        return swarm

    return Home(driver or MemoryDriver(storage), own, replaced)


async def test_a_place_without_a_note_gets_this_swarm_s_and_is_used() -> None:
    storage = MemoryStorage()
    assert await home(storage).refusal(ONE) == ""
    assert storage.owners == {"mine"}


async def test_a_place_with_this_swarm_s_note_is_asked_about_once_in_an_epoch() -> None:
    storage = MemoryStorage()
    mine = home(storage)
    for epoch in (ONE, ONE, TWO, TWO):
        assert await mine.refusal(epoch) == ""
    asked = [call for call in storage.calls if call.operation is Reading.OWNERS]
    assert len(asked) == 4  # asked, noted, seen, and asked once in the next epoch


async def test_a_place_of_another_swarm_is_not_used_and_not_marked_and_the_ids_and_the_cure_are_told() -> None:
    storage = MemoryStorage()
    storage.owners.add("theirs")
    mine = home(storage)
    why = await mine.refusal(ONE)
    assert "the storage in memory belongs to the swarm theirs, and this is the swarm mine" in why
    assert "replaces_swarm" in why
    assert storage.owners == {"theirs"}

    storage.owners.clear()
    assert await mine.refusal(ONE) == ""


async def test_a_swarm_made_in_place_of_another_takes_its_place_over() -> None:
    storage = MemoryStorage()
    storage.owners |= {"gone", "older"}
    assert await home(storage, "mine", "gone", "older").refusal(ONE) == ""
    assert storage.owners == {"mine"}
    assert "belongs to the swarm mine" in await home(storage, "gone").refusal(TWO)


async def test_its_own_id_among_those_it_replaces_does_no_harm() -> None:
    storage = MemoryStorage()
    for epoch in (ONE, TWO):
        assert await home(storage, "mine", "mine").refusal(epoch) == ""
    assert storage.owners == {"mine"}


class Racing(MemoryDriver):
    """Another swarm notes itself in the same moment."""

    async def mark(self, swarm: str) -> Outcome:
        self.storage.owners.add("theirs")
        return await super().mark(swarm)


async def test_of_two_swarms_that_come_in_the_same_moment_who_sees_the_other_s_note_does_nothing() -> None:
    storage = MemoryStorage()
    assert "belongs to the swarm theirs" in await home(storage, driver=Racing(storage)).refusal(ONE)


class Full(MemoryDriver):
    async def mark(self, swarm: str) -> Outcome:
        return Refused("no space left")


async def test_volumes_do_not_wait_for_a_note_that_cannot_be_made() -> None:
    storage = MemoryStorage()
    assert await home(storage, driver=Full(storage)).refusal(ONE) == ""
    assert storage.owners == set()


class Hiding(MemoryDriver):
    """One place hangs."""

    hidden = True

    async def owners(self) -> Owners:
        found = await super().owners()
        return Owners({}, ("the pool fast does not answer",)) if self.hidden else found


async def test_a_place_that_could_not_be_read_is_asked_about_again_before_it_is_used() -> None:
    storage = MemoryStorage()
    storage.owners.add("theirs")
    driver = Hiding(storage)
    mine = home(storage, driver=driver)
    assert await mine.refusal(ONE) == ""
    driver.hidden = False
    assert "theirs" in await mine.refusal(ONE)

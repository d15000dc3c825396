"""Two swarms never use one place: the first leader that looks notes whose it is."""

from __future__ import annotations

from controller.model import DiskId, Epoch, Spec, VolumeKey
from drivers.base import Outcome, Refused
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage, Reading
from drivers.owners import Home, Owners

ONE, TWO = Epoch(1), Epoch(2)


def no_disks() -> int:
    return 0


def home(storage: MemoryStorage, swarm: str = "mine", *replaced: str, driver: MemoryDriver | None = None) -> Home:
    async def own() -> str:
        return swarm

    return Home(driver or MemoryDriver(storage), own, replaced)


async def test_a_place_without_a_note_gets_this_swarm_s_and_is_used() -> None:
    storage = MemoryStorage()
    assert await home(storage).refusal(ONE, no_disks) == ""
    assert storage.owners == {"mine"}


async def test_a_place_with_this_swarm_s_note_is_asked_about_once_in_an_epoch() -> None:
    storage = MemoryStorage()
    mine = home(storage)
    for epoch in (ONE, ONE, TWO, TWO):
        assert await mine.refusal(epoch, no_disks) == ""
    asked = [call for call in storage.calls if call.operation is Reading.OWNERS]
    assert len(asked) == 4  # asked, noted, seen, and asked once in the next epoch


async def test_a_place_of_another_swarm_is_not_used_and_not_marked_and_the_ids_and_the_cure_are_told() -> None:
    storage = MemoryStorage()
    storage.owners.add("theirs")
    mine = home(storage)
    why = await mine.refusal(ONE, no_disks)
    assert "the storage in memory belongs to the swarm theirs, and this is the swarm mine" in why
    assert "replaces_swarm" in why
    assert storage.owners == {"theirs"}

    storage.owners.clear()
    assert await mine.refusal(ONE, no_disks) == ""


async def test_a_swarm_made_in_place_of_another_takes_its_place_over() -> None:
    storage = MemoryStorage()
    storage.owners |= {"gone", "older"}
    assert await home(storage, "mine", "gone", "older").refusal(ONE, no_disks) == ""
    assert storage.owners == {"mine"}
    assert "belongs to the swarm mine" in await home(storage, "gone").refusal(TWO, no_disks)


async def test_its_own_id_among_those_it_replaces_does_no_harm() -> None:
    storage = MemoryStorage()
    for epoch in (ONE, TWO):
        assert await home(storage, "mine", "mine").refusal(epoch, no_disks) == ""
    assert storage.owners == {"mine"}


class Racing(MemoryDriver):
    """Another swarm notes itself in the same moment."""

    async def mark(self, swarm: str) -> Outcome:
        self.storage.owners.add("theirs")
        return await super().mark(swarm)


async def test_of_two_swarms_that_come_in_the_same_moment_who_sees_the_other_s_note_does_nothing() -> None:
    storage = MemoryStorage()
    assert "belongs to the swarm theirs" in await home(storage, driver=Racing(storage)).refusal(ONE, no_disks)


class Full(MemoryDriver):
    async def mark(self, swarm: str) -> Outcome:
        return Refused("no space left")


async def test_volumes_do_not_wait_for_a_note_that_cannot_be_made() -> None:
    storage = MemoryStorage()
    assert await home(storage, driver=Full(storage)).refusal(ONE, no_disks) == ""
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
    assert await mine.refusal(ONE, no_disks) == ""
    driver.hidden = False
    assert "theirs" in await mine.refusal(ONE, no_disks)


KEY = VolumeKey("vol1")


async def emptied(storage: MemoryStorage) -> MemoryDriver:
    """What a folder looks like below which nothing is mounted any more."""
    driver = MemoryDriver(storage)
    await driver.create(KEY, Spec(1 << 20))
    assert await home(storage).refusal(ONE, lambda: 1) == ""
    storage.owners.clear()
    await driver.delete(DiskId(f"memory-{KEY}"))
    return driver


async def test_a_place_without_the_note_and_without_any_of_the_disks_that_volumes_have_is_held_and_gets_no_note() -> (
    None
):
    storage = MemoryStorage()
    await emptied(storage)
    why = await home(storage).refusal(TWO, lambda: 3)
    assert "the storage in memory: empty" in why
    assert "its volumes have 3 disks" in why
    assert "mount it" in why
    assert 'replaces_swarm = "mine"' in why
    assert storage.owners == set()


async def test_a_place_without_the_note_where_disks_are_gets_it() -> None:
    storage = MemoryStorage()
    driver = await emptied(storage)
    await driver.create(KEY, Spec(1 << 20))
    assert await home(storage).refusal(TWO, lambda: 3) == ""
    assert storage.owners == {"mine"}


async def test_an_empty_place_of_a_swarm_whose_volumes_have_no_disks_is_used() -> None:
    storage = MemoryStorage()
    await emptied(storage)
    assert await home(storage).refusal(TWO, no_disks) == ""
    assert storage.owners == {"mine"}


async def test_an_empty_place_with_the_note_is_used_though_its_disks_were_deleted() -> None:
    storage = MemoryStorage()
    await emptied(storage)
    storage.owners.add("mine")
    assert await home(storage).refusal(TWO, lambda: 3) == ""


async def test_a_place_that_was_held_is_used_as_soon_as_its_file_system_is_mounted_again() -> None:
    storage = MemoryStorage()
    await emptied(storage)
    mine = home(storage)
    assert await mine.refusal(TWO, lambda: 3) != ""
    storage.owners.add("mine")
    assert await mine.refusal(TWO, lambda: 3) == ""


async def test_an_empty_place_is_taken_when_a_person_says_that_the_disks_are_gone_for_good() -> None:
    storage = MemoryStorage()
    await emptied(storage)
    assert await home(storage, "mine", "mine").refusal(TWO, lambda: 3) == ""
    assert storage.owners == {"mine"}

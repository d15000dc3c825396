"""A stack file that asks for more gets it; one that asks for what cannot be is told, and its service goes on."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.changes.wishes import AGAIN_SECONDS, SizeWishes
from controller.api.status import explain
from controller.model import Policy
from drivers.memory_storage import Fault, Reading
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime
GIB = 1 << 30


async def used(play: Scene) -> SizeWishes:
    await play.make()
    play.want("a")
    await play.until(("a",))
    return SizeWishes(play.one.state, play.one.growth_requests, play.one.lead)


async def asks_for(play: Scene, wishes: SizeWishes, size: int) -> str:
    """What people are told beside the state."""
    play.cluster.swarm.wished[DATA] = size
    play.one.state.wakeup("test")
    look = await play.one.state.fresh_look(5.0)
    assert look is not None
    await wishes.look(look.world)
    found = explain(play.one.state, Policy(), DATA)
    assert found is not None
    return " ".join(found.warnings)


async def test_a_larger_size_in_the_stack_file_makes_the_disk_larger() -> None:
    async with scene() as play:
        wishes = await used(play)
        assert await asks_for(play, wishes, 3 * GIB) == ""
        assert list(play.cluster.storage.disks.values()) == [3 * GIB]
        assert "by the stack file of service service-data" in play.cluster.record().history[-1].text


async def test_a_smaller_size_is_told_and_the_disk_stays() -> None:
    async with scene() as play:
        wishes = await used(play)
        assert "goes on with the size that it has: volume data has 1073741824 bytes, and no volume becomes smaller" in (
            await asks_for(play, wishes, GIB // 2)
        )
        assert list(play.cluster.storage.disks.values()) == [GIB]
        assert await asks_for(play, wishes, 0) == "", "the stack file was put right"


async def test_what_the_storage_refuses_is_told_and_asked_for_again_after_a_while_and_not_before() -> None:
    async with scene() as play:
        wishes = await used(play)
        play.cluster.storage.fail(Reading.GROW, Fault.REFUSED)
        assert "the storage refused" in await asks_for(play, wishes, 3 * GIB)
        assert "the storage refused" in await asks_for(play, wishes, 3 * GIB)
        assert list(play.cluster.storage.disks.values()) == [GIB]
        await asyncio.sleep(AGAIN_SECONDS)
        assert await asks_for(play, wishes, 3 * GIB) == ""
        assert list(play.cluster.storage.disks.values()) == [3 * GIB]


async def test_nothing_grows_while_a_person_has_paused_it() -> None:
    async with scene() as play:
        wishes = await used(play)
        play.one.lead.paused = "work on the storage"
        await asks_for(play, wishes, 3 * GIB)
        assert list(play.cluster.storage.disks.values()) == [GIB]

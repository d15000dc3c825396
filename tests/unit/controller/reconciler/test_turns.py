"""How long a look waits that somebody asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from controller.reconciler.pace import Pace
from controller.reconciler.turns import Turns
from controller.reconciler.wakeups import Urgent, Wakeup

pytestmark = pytest.mark.looptime
PACE = Pace(least=0.5, burst=2)


async def seconds(work: Awaitable[object]) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    await work
    return round(clock() - began, 2)


async def used_up() -> tuple[Wakeup, Turns]:
    """Others have just asked for all looks that may follow each other at once."""
    wakeup = Wakeup()
    turns = Turns(PACE, asyncio.get_running_loop().time, wakeup)
    for _ in range(PACE.burst):
        await turns.wait()
        turns.begin()
    return wakeup, turns


async def test_what_others_ask_for_waits_for_its_turn() -> None:
    _, turns = await used_up()
    assert await seconds(turns.wait()) == 0.5


async def test_a_look_whose_time_has_come_does_not_wait_behind_others() -> None:
    _, turns = await used_up()
    assert await seconds(turns.wait(due=asyncio.get_running_loop().time() + 0.2)) == 0.2


async def test_an_event_of_the_hypervisor_does_not_wait_behind_the_news_of_a_busy_swarm() -> None:
    wakeup, turns = await used_up()
    wakeup.press(Urgent.POWER, "a VM went off")
    assert await seconds(turns.wait()) == 0.0


async def test_what_presses_ends_a_wait_that_has_begun() -> None:
    wakeup, turns = await used_up()
    asyncio.get_running_loop().call_later(0.1, wakeup.press, Urgent.PLACED, "a task is elsewhere")
    assert await seconds(turns.wait()) == 0.1


async def test_what_presses_all_the_time_is_bounded_as_well_and_holds_up_no_other_kind() -> None:
    wakeup, turns = await used_up()
    waits = []
    for _ in range(PACE.burst + 2):
        wakeup.press(Urgent.POWER, "a VM flaps")
        waits.append(await seconds(turns.wait()))
        turns.begin()
    assert waits[: PACE.burst] == [0.0] * PACE.burst
    assert sum(waits) > 0.3

    wakeup.press(Urgent.TERM, "it acts")
    assert await seconds(turns.wait()) == 0.0


async def test_an_operation_that_ends_is_looked_at_at_once() -> None:
    _, turns = await used_up()
    asyncio.get_running_loop().call_later(0.1, turns.end)
    assert await seconds(turns.wait()) == 0.1
    turns.begin()
    assert await seconds(turns.wait()) > 0.3


async def test_a_look_answers_what_was_asked_while_it_waited_for_its_turn() -> None:
    """Otherwise each look in a busy swarm would be followed by another one for nothing."""
    wakeup, turns = await used_up()
    wakeup("a gate reports")
    assert await wakeup.wait(1.0) == "a gate reports"
    asyncio.get_running_loop().call_later(0.1, wakeup, "another gate reports")
    await turns.wait()
    turns.begin()

    assert await wakeup.wait(1.0) is None

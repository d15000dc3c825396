"""All who follow are served by one question a second; nobody hears an entry twice, or misses one that comes late."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.viewing.feed import KEPT, EventFeed
from controller.model import Moment
from controller.protocol.operator import Events
from controller.protocol.views import EventsView, EventView

pytestmark = pytest.mark.looptime
NOW = 1_700_000_000.0


def entry(at: float, text: str = "x", volume: str = "data") -> EventView:
    return EventView(moment=Moment.MOUNTED, at=NOW + at, epoch=1, text=text, node="n", evidence=None, volume=volume)


class Asked:
    def __init__(self) -> None:
        self.entries: list[EventView] = []
        self.why: str | None = None
        self.asked: list[float] = []

    async def __call__(self, asked: Events) -> EventsView | str:
        self.asked.append(asked.since)
        await asyncio.sleep(0.1)
        return self.why or EventsView(tuple(each for each in self.entries if each.at >= asked.since))


def feed(asked: Asked) -> EventFeed:
    clock = asyncio.get_running_loop().time
    return EventFeed(asked, clock, lambda: NOW + clock())


async def test_what_is_new_is_told_once_also_if_its_time_is_older_than_what_was_told() -> None:
    asked = Asked()
    made = feed(asked)
    asked.entries = [entry(0.0)]
    await made.refresh()
    before = made.number
    asked.entries += [entry(5.0), entry(2.0, "late"), entry(5.0, volume="other")]
    await asyncio.sleep(2.0)
    await made.refresh()
    found = made.after(before)
    assert found is not None
    assert sorted((each.volume, each.text) for each in found) == [("data", "late"), ("data", "x"), ("other", "x")]
    await asyncio.sleep(2.0)
    await made.refresh()
    assert made.after(made.number) == ()
    assert made.number == before + 3


async def test_however_many_follow_the_controller_is_asked_once_a_second() -> None:
    asked = Asked()
    made = feed(asked)
    for _ in range(3):
        await asyncio.gather(*(made.refresh() for _ in range(16)))
        await asyncio.sleep(1.0)
    assert len(asked.asked) == 3


async def test_why_there_is_no_answer_is_kept_until_there_is_one() -> None:
    asked = Asked()
    made = feed(asked)
    asked.why = "no controller acts"
    await made.refresh()
    assert made.problem == "no controller acts"
    asked.why = None
    asked.entries = [entry(0.0)]
    await asyncio.sleep(2.0)
    await made.refresh()
    assert [made.problem, made.number] == [None, 1]


async def test_who_is_slower_than_what_is_kept_is_told_that_something_is_lost() -> None:
    asked = Asked()
    made = feed(asked)
    asked.entries = [entry(0.0, str(n)) for n in range(KEPT)]
    await made.refresh()
    assert len(made.after(0) or ()) == KEPT
    asked.entries.append(entry(1.0, "one more"))
    await asyncio.sleep(2.0)
    await made.refresh()
    assert made.after(0) is None
    assert len(made.after(1) or ()) == KEPT

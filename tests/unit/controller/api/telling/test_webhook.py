"""Another system is told of alarms and moves, once each, again where it did not take them, and never without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from controller.api.metrics.move_counter import MoveCounter
from controller.api.telling.notices import MOST_WAITING, Told
from controller.api.telling.webhook import Webhook, address
from controller.model import EvidenceKind, Moment, VolumeName
from controller.planner.actions import Alarm, Wait
from controller.planner.plan import Decision
from controller.reconciler.state import LoopState, Observation
from controller.records.moves import Move
from controller.settings import SettingsError
from tests.support.http_site import served
from tests.support.worlds import world

DATA = VolumeName("data")
MOVE = Move(5.0, "n1", "n2", EvidenceKind.POWERED_OFF, "seen off", {Moment.MOUNTED: 3.0})


@dataclass
class Pager:
    """Another system: it answers with these codes, then 200."""

    codes: list[int] = field(default_factory=list)
    got: asyncio.Queue[Told] = field(default_factory=asyncio.Queue)
    calls: int = 0
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.calls += 1
        code = self.codes.pop(0) if self.codes else 200
        if code == 200:
            self.got.put_nowait(msgspec.json.decode(await request.read(), type=Told))
        return web.Response(status=code, headers={"Location": "/elsewhere"})

    async def next(self) -> Told:
        async with asyncio.timeout(30):
            return await self.got.get()


@asynccontextmanager
async def pager(*codes: int) -> AsyncIterator[Pager]:
    made = Pager(list(codes))
    application = web.Application()
    application.router.add_post("/hook", made.handle)
    async with served(application) as url:
        made.url = f"{url}/hook"
        yield made


@asynccontextmanager
async def telling(url: str, pauses: tuple[float, ...] = (0.0, 0.0)) -> AsyncIterator[tuple[LoopState, Webhook]]:
    state = LoopState(asyncio.get_running_loop().time)
    hook = Webhook(state, url, pauses)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(hook.run())
        yield state, hook
        running.cancel()


def publish(state: LoopState, *actions: Alarm | Wait) -> None:
    number = state.begin()
    decisions = {each.volume: Decision(each.volume, None, each) for each in actions}
    state.publish(Observation(number, state.clock(), state.wall(), world()), decisions)


async def test_an_alarm_is_told_once_with_its_cure_and_so_is_its_end() -> None:
    async with pager() as other, telling(other.url) as (state, _):
        publish(state, Alarm(DATA, "its VM runs", "power it off"))
        told = await other.next()
        assert (told.event, told.volume, told.why, told.cure) == ("alarm", "data", "its VM runs", "power it off")
        publish(state, Alarm(DATA, "its VM still runs", "power it off"))
        publish(state, Wait(DATA, "it is under way"))
        over = await other.next()
        assert (over.event, over.why) == ("alarm-over", "it is under way")
        assert other.got.empty()


async def test_a_snapshot_by_schedule_that_is_late_is_told_as_an_alarm_and_its_end() -> None:
    async with pager() as other, telling(other.url) as (state, _):
        state.overdue = {DATA: "the storage has no room"}
        publish(state)
        told = await other.next()
        assert (told.event, told.volume, told.why) == ("alarm", "data", "the storage has no room")
        state.overdue = {}
        publish(state)
        assert (await other.next()).event == "alarm-over"


async def test_who_acts_anew_tells_of_an_alarm_that_lasts() -> None:
    async with pager() as other, telling(other.url) as (state, _):
        publish(state, Alarm(DATA, "why", "cure"))
        assert (await other.next()).event == "alarm"
        state.forget()
        await asyncio.sleep(0.05)
        publish(state, Alarm(DATA, "why", "cure"))
        assert (await other.next()).event == "alarm"


async def test_a_finished_move_is_told_with_its_row() -> None:
    async with pager() as other, telling(other.url) as (_, hook):
        hook.moved(DATA, MOVE)
        told = await other.next()
        assert (told.event, told.why) == ("moved", "failover")
        assert told.move is not None
        assert (told.move.target, told.move.total, told.move.evidence) == ("n2", 3.0, EvidenceKind.POWERED_OFF)


async def test_what_is_not_taken_is_sent_again_and_a_redirect_is_not_followed() -> None:
    async with pager(503, 302) as other, telling(other.url) as (_, hook):
        hook.moved(DATA, MOVE)
        assert (await other.next()).event == "moved"
        assert other.calls == 3


async def test_what_is_never_taken_is_given_up_and_the_next_is_told() -> None:
    async with pager(500, 500, 500) as other, telling(other.url) as (_, hook):
        hook.moved(DATA, MOVE)
        hook.moved(VolumeName("next"), MOVE)
        assert (await other.next()).volume == "next"
        assert other.calls == 4


async def test_of_more_than_can_wait_the_oldest_are_lost() -> None:
    async with pager() as other, telling(other.url) as (_, hook):
        for number in range(MOST_WAITING + 1):
            hook.moved(VolumeName(f"v{number}"), MOVE)
        assert (await other.next()).volume == "v1"


async def test_the_counter_of_moves_names_the_volume() -> None:
    state = LoopState(asyncio.get_running_loop().time)
    told: list[VolumeName] = []
    MoveCounter(state, lambda _: None, lambda volume, _: told.append(volume))._note(DATA, MOVE)
    assert told == [DATA]


def test_an_address_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://chat.example/hooks/secret\n")
    assert address(file) == "https://chat.example/hooks/secret"
    assert address(None) is None


@pytest.mark.parametrize("text", ["", "chat.example", "ftp://x/y", "https://", "https://a b"])
def test_what_is_no_address_is_refused_with_the_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "url"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"webhook_file: .* has no address"):
        address(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        address(tmp_path / "missing")

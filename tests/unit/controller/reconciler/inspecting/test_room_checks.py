"""Little room is logged once, and shown in `reberth status` as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from controller.api.status import status
from controller.model import DiskId, Epoch, World
from controller.protocol.views import RoomView
from controller.reconciler.inspecting.room_checks import EACH, RoomChecks
from controller.reconciler.state import LoopState, Observation
from drivers.base import DriverError, Room
from tests.support.executors import Leading
from tests.support.worlds import POLICY

pytestmark = pytest.mark.looptime
ONE = Epoch(1)
WORLD = World(ONE, {}, {}, {}, (), {})
PLENTY, LITTLE = Room("a pool", 50 << 30, 100 << 30, {DiskId("d"): 5}), Room("a pool", 5 << 30, 100 << 30)


@dataclass
class Storage:
    """Tells what the test says."""

    told: Sequence[Room] = field(default_factory=list)
    error: Exception | None = None
    asked: int = 0

    async def rooms(self) -> Sequence[Room]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.told


def state() -> LoopState:
    made = LoopState(lambda: 0.0)
    made.publish(
        Observation(
            1,
            0.0,
            0.0,
            WORLD,
        ),
        {},
    )
    return made


async def test_little_room_is_logged_once_and_again_after_there_was_plenty() -> None:
    storage, seen = Storage(), state()
    checks = RoomChecks(storage, seen, Leading(ONE), 10.0)
    with capture_logs() as logs:
        for told in (PLENTY, LITTLE, LITTLE, PLENTY, LITTLE):
            storage.told = [told]
            await checks.inspect(WORLD)
    assert [(each["event"], each["place"]) for each in logs] == [("storage.space", "a pool")] * 2
    assert "5 of 100 GiB" in logs[0]["why"]
    shown = status(seen, POLICY, "a")
    assert shown is not None
    assert shown.rooms == (RoomView("a pool", 5 << 30, 100 << 30, True),)


@pytest.mark.parametrize("error", [DriverError("nobody answers"), KeyError("a bug")], ids=["away", "bug"])
async def test_what_cannot_be_read_now_is_not_told_as_it_was(error: Exception) -> None:
    storage, seen = Storage([PLENTY]), state()
    checks = RoomChecks(storage, seen, Leading(ONE), 10.0)
    await checks.inspect(WORLD)
    assert list(seen.rooms) == [PLENTY]
    storage.error = error
    with capture_logs():
        await checks.inspect(WORLD)
    assert not seen.rooms


async def test_only_the_controller_that_acts_asks_and_seldom() -> None:
    storage, lead = Storage([PLENTY]), Leading(None)
    running = asyncio.ensure_future(RoomChecks(storage, state(), lead, 10.0).run())
    await asyncio.sleep(2 * EACH + 1)
    assert storage.asked == 0
    lead.epoch = ONE
    await asyncio.sleep(2 * EACH)
    assert 1 <= storage.asked <= 3
    running.cancel()


async def test_a_controller_that_ceases_to_act_forgets_the_room() -> None:
    seen = state()
    await RoomChecks(Storage([PLENTY]), seen, Leading(ONE), 10.0).inspect(WORLD)
    seen.forget()
    assert seen.rooms == ()

"""The health checks say what a load balancer and Swarm need to know, with the reason."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.metrics.server import LOOK_LIMIT, health, readiness
from controller.protocol.operator import Pause
from tests.support.shell import Scene, scene

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


def answers(play: Scene, at: float) -> tuple[tuple[int, str], tuple[int, str]]:
    return health(play.one.state, play.one.lead, at), readiness(play.one.state, play.one.lead, at)


async def test_a_controller_that_looks_in_time_is_healthy_and_ready() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        assert answers(play, now()) == ((200, "acting"), (200, "acting"))


async def test_a_loop_that_hangs_is_not_healthy() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        look = play.one.state.look
        assert look is not None
        assert health(play.one.state, play.one.lead, look.began + LOOK_LIMIT)[0] == 200
        status, why = health(play.one.state, play.one.lead, look.began + LOOK_LIMIT + 1)
        assert (status, why) == (503, "the last look began 61 s ago")


async def test_a_swarm_that_cannot_be_read_is_said_by_readyz_and_restarts_nobody() -> None:
    async with scene() as play:
        play.cluster.swarm.unread = True
        await asyncio.sleep(30)
        (healthy, _), (ready, why) = answers(play, now())
        assert (healthy, ready) == (200, 503)
        assert "no leader" in why


async def test_one_that_stands_by_is_healthy() -> None:
    async with scene() as play:
        play.one.lead.epoch = None
        assert answers(play, now()) == ((200, "standing by"), (200, "standing by"))


async def test_before_the_first_look_nothing_is_ready() -> None:
    async with scene() as play:
        play.one.state.look = None
        assert readiness(play.one.state, play.one.lead, now()) == (503, "the first look is not finished")


async def test_a_pause_is_not_ready_and_says_whose_reason() -> None:
    async with scene() as play:
        await play.operator_requests.pause(Pause("works on the storage"))
        await asyncio.sleep(30)
        assert readiness(play.one.state, play.one.lead, now()) == (503, "paused: works on the storage")

"""The node service's health: slow work is left alone, work that hangs is not."""

from __future__ import annotations

import asyncio

import pytest

from controller.node.liveness import at_work

pytestmark = pytest.mark.looptime


async def test_long_work_looks_alive_until_it_ends() -> None:
    """On a slow machine the image is read for minutes: ended in the middle, it would begin anew for ever."""
    beats: list[float] = []
    clock = asyncio.get_running_loop().time
    async with at_work(lambda: beats.append(clock()), every=15):
        await asyncio.sleep(200)
    seen = len(beats)
    await asyncio.sleep(100)

    assert seen == len(beats) == 14


async def test_work_that_hangs_looks_dead_in_the_end() -> None:
    beats: list[float] = []
    async with at_work(lambda: beats.append(0), every=15, most=60):
        await asyncio.sleep(1000)

    assert len(beats) == 4


async def test_what_fails_inside_is_told_as_it_is() -> None:
    with pytest.raises(ValueError, match="no such image"):
        async with at_work(lambda: None):
            raise ValueError("no such image")

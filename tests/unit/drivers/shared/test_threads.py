"""Blocking calls in threads of their own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from drivers.libvirt.faults import Fault, Kind
from drivers.shared.faults import Doubt, NotSent
from drivers.shared.threads import Threads


async def test_a_call_that_does_not_answer_in_time_is_in_doubt_and_too_many_are_not_sent() -> None:
    free = threading.Event()
    threads = Threads("host", most=2)
    for _ in range(2):
        with pytest.raises(Doubt, match="did not answer within"):
            await threads.run(free.wait, 0.01)
    with pytest.raises(NotSent, match="still have no answer"):
        await threads.run(lambda: 1, 10)
    free.set()
    async with asyncio.timeout(10):
        while threads._running:  # noqa: ASYNC110 - real threads end
            await asyncio.sleep(0)
    assert await threads.run(lambda: 1, 10) == 1


async def test_an_error_in_the_thread_is_raised_where_it_is_awaited() -> None:
    def fails() -> None:
        raise Fault(Kind.BUSY, "busy")

    with pytest.raises(Fault, match="busy"):
        await Threads("host").run(fails, 10)

"""Whom the next looks ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import structlog

from controller.model import VmId
from controller.reconciler.nodes.suspects import AGAIN, Suspects, watch
from drivers.base import PowerEvent
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage

VM = VmId("vm1")


def test_a_vm_is_suspected_for_some_seconds_after_the_last_event_about_it() -> None:
    now = 100.0
    suspects = Suspects(lambda: now, 3.0)
    suspects.add(VM)
    now = 102.0
    suspects.add(VM)
    now = 104.9
    assert suspects.now() == {VM}
    now = 105.0
    assert suspects.now() == frozenset()


class Stumbling(MemoryDriver):
    """The events end in a bug, each time."""

    async def watch_power(self) -> AsyncIterator[PowerEvent]:
        yield PowerEvent(VM)
        yield PowerEvent(None)
        raise KeyError("a VM without a name")


@pytest.mark.looptime
async def test_events_that_end_in_a_bug_of_the_driver_are_listened_to_again() -> None:
    """They only make a failover faster: the controller goes on, and says what happened."""
    woken: list[str] = []
    suspects = Suspects(asyncio.get_running_loop().time, seconds=60.0)
    with structlog.testing.capture_logs() as logs, suppress(TimeoutError):
        async with asyncio.timeout(AGAIN + 1):
            await watch(Stumbling(MemoryStorage()), suspects, woken.append)

    assert woken == ["something changed about VM vm1", "the hypervisor's events"] * 2
    assert suspects.now() == {VM}
    assert [each["event"] for each in logs] == ["internal.error"] * 2

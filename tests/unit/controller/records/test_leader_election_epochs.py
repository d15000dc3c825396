"""Epochs taken while we act, and an acting controller that nothing but the records can disturb."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import structlog

from controller.model import Epoch, NodeId
from controller.records.leader_election import Leader
from controller.records.memory import MemoryRecords
from watchers.base import SwarmManagers

pytestmark = pytest.mark.looptime


async def led_by(nodes: list[NodeId]) -> SwarmManagers:
    """Swarm's leader; with an empty list Swarm does not answer."""
    while not nodes:  # noqa: ASYNC110 -- its answer is what the test withholds
        await asyncio.sleep(1)
    return SwarmManagers(nodes[-1], frozenset(nodes))


async def test_a_new_epoch_can_be_taken_above_one_that_was_met() -> None:
    records, nodes = MemoryRecords(), [NodeId("n1")]
    clock = asyncio.get_running_loop().time
    one = Leader(records, NodeId("n1"), "a:1", lambda: led_by(nodes), lambda _: None, clock)
    two = Leader(records, NodeId("n1"), "a:1", lambda: led_by(nodes), lambda _: None, clock)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run())]
        await asyncio.sleep(1)
        assert await one.new_epoch(above=Epoch(57))
        assert one.epoch == 58
        assert await one.new_epoch(above=Epoch(57)), "an epoch that is ours already is no reason to go back"
        assert one.epoch == 59
        assert not await two.new_epoch(above=Epoch(99)), "whoever does not act takes none"
        tasks[0].cancel()


async def test_whoever_acts_does_not_wait_for_an_answer_about_swarms_leader() -> None:
    """A thousand nodes that come back at once make Swarm slow; beats must not wait behind its answers."""
    records, nodes = MemoryRecords(), [NodeId("n1")]
    one = Leader(records, NodeId("n1"), "a:1", lambda: led_by(nodes), lambda _: None, asyncio.get_running_loop().time)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await asyncio.sleep(1)
        nodes.clear()
        await asyncio.sleep(120)
        assert one.epoch == 1
        task.cancel()


async def test_a_record_of_who_acts_that_cannot_be_read_is_said_once_by_whoever_stands_by() -> None:
    """Nothing is done for any volume meanwhile: without a word nobody would know why."""
    records, clock = MemoryRecords(), asyncio.get_running_loop().time
    records.reachable = False
    leader = Leader(records, NodeId("n1"), "a:1", lambda: led_by([NodeId("n1")]), lambda _: None, clock)
    with structlog.testing.capture_logs() as logs, suppress(TimeoutError):
        async with asyncio.timeout(60):
            await leader.run()
    assert [each["event"] for each in logs] == ["leadership.unread"]

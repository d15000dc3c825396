"""Whole failovers through the real loop, on memory."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import EvidenceKind, Moment, NodeId
from tests.unit.shell import DATA, WALL, scene

pytestmark = pytest.mark.looptime


async def test_a_new_volume_is_made_attached_granted_and_formatted_once() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(1)
        assert play.cluster.moments() == [
            Moment.CREATED,
            Moment.ATTACHED,
            Moment.GRANTED,
            Moment.FORMATTED,
            Moment.MOUNTED,
        ]
        assert play.cluster.record().intent is None
        assert play.cluster.gates[NodeId("a")].formatted == [DATA]


async def test_a_node_that_loses_power_loses_the_volume_to_the_next_within_the_time_of_a_few_looks() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        await asyncio.sleep(60)
        play.cluster.crash("a")
        await asyncio.sleep(10)
        play.cluster.down("a")
        start = asyncio.get_running_loop().time()
        play.want("b", "t2")
        await play.until(("b",))
        assert asyncio.get_running_loop().time() - start < 0.1
        await asyncio.sleep(1)
        evidence = play.cluster.entry(Moment.EVIDENCE)
        assert (evidence.evidence, evidence.node) == (EvidenceKind.POWERED_OFF, "host-a")
        assert evidence.at - WALL == pytest.approx(start, abs=0.1)
        moments = play.cluster.moments()
        assert moments[moments.index(Moment.EVIDENCE) :] == [
            Moment.EVIDENCE,
            Moment.DETACHED,
            Moment.ATTACHED,
            Moment.GRANTED,
            Moment.MOUNTED,
        ]

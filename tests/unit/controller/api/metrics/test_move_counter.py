"""Failovers are counted once each, by the controller that carried them out."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.metrics.meters import Meters
from controller.api.metrics.move_counter import MoveCounter
from tests.support.shell import Scene, scene

pytestmark = pytest.mark.looptime


def failovers(meters: Meters) -> float | None:
    labels = {"evidence": "powered-off", "planned": "no"}
    return meters.registry.get_sample_value("reberth_failovers_total", labels)


async def running_on_a(play: Scene) -> None:
    await play.make()
    play.want("a")
    await play.until(("a",))
    await asyncio.sleep(5)


async def fail_over(play: Scene) -> None:
    play.cluster.crash("a")
    play.cluster.down("a")
    play.want("b", "t2")
    await play.until(("b",))
    await asyncio.sleep(5)


async def test_a_failover_is_counted_once_with_the_seconds_of_its_phases() -> None:
    async with scene() as play:
        meters = Meters()
        play.spawn(MoveCounter(play.one.state, meters.moved).run())
        await running_on_a(play)
        await fail_over(play)
        await asyncio.sleep(300)
        assert failovers(meters) == 1
        for phase in ("evidence", "detached", "attached", "granted", "mounted"):
            assert meters.registry.get_sample_value("reberth_failover_phase_seconds_count", {"phase": phase}) == 1


async def test_a_planned_move_is_counted_apart_and_its_seconds_are_no_failovers() -> None:
    async with scene() as play:
        meters = Meters()
        play.spawn(MoveCounter(play.one.state, meters.moved).run())
        await running_on_a(play)
        play.want("b", "t2")
        await play.cluster.gates[next(iter(play.cluster.gates))].stop(next(iter(play.cluster.store.volumes)))
        await play.until(("b",))
        await asyncio.sleep(5)
        sample = meters.registry.get_sample_value
        assert sample("reberth_failovers_total", {"evidence": "released", "planned": "yes"}) == 1
        assert sample("reberth_failover_phase_seconds_count", {"phase": "mounted"}) == 0


async def test_what_happened_before_it_acted_is_not_counted_again() -> None:
    async with scene() as play:
        await running_on_a(play)
        await fail_over(play)
        meters = Meters()
        play.spawn(MoveCounter(play.one.state, meters.moved).run())
        await asyncio.sleep(300)
        assert failovers(meters) is None

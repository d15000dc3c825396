"""The swarm's list of names as a controller tells it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import Epoch, Phase, VolumeKey, VolumeName, World
from controller.protocol.messages import KnownNames, Names
from controller.reconciler.state import LoopState, Observation, VolumeNames
from tests.support.worlds import EPOCH, V, record, world

pytestmark = pytest.mark.looptime

W = VolumeName("web")


def state() -> LoopState:
    return LoopState(asyncio.get_running_loop().time)


def seen(state: LoopState, world: World) -> None:
    state.publish(Observation(state.begin(), state.clock(), 0.0, world), {})


def known(names: Names) -> KnownNames:
    return KnownNames(names.epoch, names.count)


async def test_the_list_has_what_was_read_and_what_was_written_since_and_not_what_was_removed() -> None:
    now = state()
    names = VolumeNames(now)
    assert names.now() is None
    seen(now, world(volume=record()))
    first = names.now()
    assert first == Names(EPOCH, 1, (V,))
    now.wrote(replace(record(), name=W))
    assert names.now() == Names(EPOCH, 2, (V, W))
    now.wrote(replace(record(), phase=Phase.DELETING, version=99))
    assert names.now() == Names(EPOCH, 3, (W,))


async def test_records_that_were_not_read_are_no_empty_list() -> None:
    now = state()
    names = VolumeNames(now)
    seen(now, replace(world(), volumes=None))
    assert names.now() is None
    assert await names.news(KnownNames(), 20.0) is None


async def test_a_record_that_cannot_be_read_is_told_by_its_key() -> None:
    now = state()
    seen(now, replace(world(volume=record()), unreadable={VolumeKey("k-1"): "cut short"}))
    assert VolumeNames(now).now() == Names(EPOCH, 1, (V,), ("k-1",))


async def test_whoever_has_the_list_hears_of_a_change_at_once_and_else_only_the_number() -> None:
    now = state()
    names = VolumeNames(now)
    seen(now, world(volume=record()))
    have = names.now()
    assert have is not None
    seen(now, world(volume=record()))  # a look that shows the same is no change
    assert await names.news(known(have), 20.0) == Names(have.epoch, have.count)
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(names.news(known(have), 20.0))
        await asyncio.sleep(5)
        began = now.clock()
        now.wrote(replace(record(), name=W))
        assert await poll == Names(EPOCH, 2, (V, W))
        assert now.clock() == began


async def test_after_another_leader_the_number_is_of_the_new_epoch_also_for_the_same_names() -> None:
    """The other one may have told a list in between."""
    now = state()
    names = VolumeNames(now)
    seen(now, world(volume=record()))
    names.now()
    now.forget()
    seen(now, replace(world(volume=record()), epoch=Epoch(EPOCH + 2)))
    assert names.now() == Names(EPOCH + 2, 1, (V,))

"""A swarm restored from a backup, or made anew: storage and gates know later epochs than the records."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import Epoch, NodeId, VmId
from controller.records.base import Leadership
from tests.support.in_use import in_use
from tests.support.shell import DATA, scene

pytestmark = pytest.mark.looptime


async def test_records_from_a_backup_are_followed_by_an_epoch_above_every_stamp() -> None:
    """The volume moves again, and nobody had to be asked."""
    async with scene() as play:
        disk = await in_use(play)
        play.cluster.storage.attach(disk, VmId("vm-a"), Epoch(57))
        play.want("b", "t2")
        await play.cluster.gates[NodeId("a")].stop(DATA)
        await play.until(("b",))

        assert play.one.lead.epoch == 58


async def test_after_a_backup_nobody_acts_under_the_number_of_a_leader_that_was_lost_with_the_swarm() -> None:
    """The record of who acts comes from before that leader: the next one would take the same number."""
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        two = await play.take_over("b")
        await asyncio.sleep(30)
        disk = play.cluster.record().disk
        assert disk is not None
        assert two.lead.epoch == 2
        play.cluster.storage.attach(disk, VmId("vm-a"), two.lead.epoch)  # it put its stamp there

        play.loop.cancel()
        play.cluster.store.leadership = Leadership(Epoch(1), NodeId("a"), "here:1", version=play.cluster.store.next())
        two.lead.epoch = None
        three = await play.take_over("c")
        await asyncio.sleep(30)
        assert three.lead.epoch == 3
        assert play.cluster.writers() == ("vm-a",)


async def test_an_older_leader_that_meets_its_successors_stamp_takes_nothing() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        two = await play.take_over("b")
        await asyncio.sleep(30)
        disk = play.cluster.record().disk
        assert disk is not None
        assert two.lead.epoch is not None
        play.cluster.storage.attach(disk, VmId("vm-a"), two.lead.epoch)
        held = two.lead.epoch
        play.one.lead.epoch = Epoch(1)  # it slept, and believes that it acts
        await asyncio.sleep(30)

        assert play.one.lead.epoch is None
        assert two.lead.epoch == held


async def test_an_epoch_that_no_leader_can_have_had_is_told_and_not_followed() -> None:
    """Else its volume waits for a newer leader that does not exist, and nobody is told why."""
    async with scene() as play:
        disk = await in_use(play)
        play.cluster.storage.attach(disk, VmId("vm-a"), Epoch(1 << 60))
        await asyncio.sleep(30)

        world = play.one.state.world
        assert world is not None
        (told,) = world.unread
        assert "the storage's stamp on VM vm-a bears epoch 1152921504606846976" in told
        assert play.one.lead.epoch == 1

"""What a driver must do whose settings say which machines may be touched: ``vms``."""

from __future__ import annotations

import pytest

from reberth.driver import Attacher, Done, Power, Refused, Spec
from reberth.testing.asking import ONE, SIZE, TWO, held, kinds, new_disk
from reberth.testing.rigs import BoundedRig


class BoundedSuite:
    """
    Fixture: ``rig`` (`BoundedRig`).

    Whatever a node says of itself, a machine that the settings do not name is not touched.
    """

    pytestmark = pytest.mark.asyncio

    async def test_a_machine_that_is_not_named_gets_no_disk(self, rig: BoundedRig) -> None:
        ours, stranger, disk = await rig.add_vm(), await rig.add_vm(), await new_disk(rig)
        bounded = await rig.only(ours)
        outcomes = list(await bounded.attach([disk], stranger, ONE))
        if isinstance(bounded, Attacher):
            outcomes += await bounded.attach_volumes({disk: Spec(SIZE)}, stranger, ONE)
        assert kinds(outcomes) == [Refused] * len(outcomes)
        assert all(isinstance(each, Refused) and each.cure for each in outcomes)
        assert await held(rig) == set()
        assert await bounded.attach([disk], ours, ONE) == [Done()]
        assert await held(rig) == {(disk, ours)}

    async def test_a_machine_that_is_not_named_is_not_switched_off(self, rig: BoundedRig) -> None:
        ours, stranger = await rig.add_vm(), await rig.add_vm()
        bounded = await rig.only(ours)
        assert isinstance(await bounded.power_off(stranger), Refused)
        assert await rig.driver.power([ours, stranger]) == {ours: Power.ON, stranger: Power.ON}
        assert await bounded.power_off(ours) is Power.OFF
        assert await rig.driver.power([ours, stranger]) == {ours: Power.OFF, stranger: Power.ON}

    async def test_what_it_has_is_seen_and_may_be_taken_from_it(self, rig: BoundedRig) -> None:
        """That is the way back after somebody has lied."""
        ours, stranger, disk = await rig.add_vm(), await rig.add_vm(), await new_disk(rig)
        assert await rig.driver.attach([disk], stranger, ONE) == [Done()]
        bounded = await rig.only(ours)
        listed = await bounded.list_attachments()
        assert [(each.disk, each.vm) for each in listed.attachments] == [(disk, stranger)]
        assert await bounded.power([stranger]) == {stranger: Power.ON}
        assert await bounded.detach([disk], stranger, TWO) == [Done()]
        assert await bounded.attach([disk], ours, TWO) == [Done()]
        assert await held(rig) == {(disk, ours)}

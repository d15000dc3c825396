"""A gate that is prodded speaks at once; one that is silent stays so."""

from __future__ import annotations

import asyncio

import pytest

from controller.model import NodeId, VmId
from tests.support.shell import scene

pytestmark = pytest.mark.looptime
VM = VmId("vm-a")


async def test_a_prodded_gate_is_answered_and_speaks_again_once() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        gates = play.one.state.gates
        before = gates.newest(VM)
        assert before is not None
        gates.prod({VM})
        await asyncio.sleep(0.1)
        after = gates.newest(VM)
        assert after is not None
        assert after.number > before.number
        await asyncio.sleep(10)
        assert gates.newest(VM) == after  # its next poll waits as long as ever


async def test_a_prod_of_one_gate_leaves_the_others_polls_alone() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        gates = play.one.state.gates
        other = gates.newest(VmId("vm-b"))
        gates.prod({VM})
        await asyncio.sleep(0.1)
        assert gates.newest(VmId("vm-b")) == other


async def test_a_gate_whose_machine_hangs_does_not_speak_when_it_is_prodded() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        gates, word = play.one.state.gates, play.one.state.gates.newest(VM)
        play.cluster.gates[NodeId("a")].frozen = True
        gates.prod({VM})
        await asyncio.sleep(1)
        assert gates.newest(VM) == word

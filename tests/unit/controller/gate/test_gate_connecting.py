"""A gate that is ordered to connect a disk says at once what became of it, whatever else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.protocol import messages
from controller.protocol.connecting.orders import Carried, Connect, connect
from tests.support.connections import connection
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Ordering(FakeController):
    """Says an order again until it is answered, as a controller does."""

    wanted: list[Connect] = field(default_factory=list)
    answers: list[tuple[float, Carried]] = field(default_factory=list)

    async def sync(self, sync: messages.Sync) -> messages.Orders:
        self.answers += [(now(), each) for each in sync.carried]
        done = {each.order for each in sync.carried}
        self.wanted = [each for each in self.wanted if each.order not in done]
        if not self.wanted:
            return await super().sync(sync)
        self.syncs.append(sync)
        return messages.Orders(connects=tuple(self.wanted))

    def order(self, *names: str) -> None:
        self.wanted = [connect(name, connection(f"lun-{name}")) for name in names]
        self.changed()


def said(controller: Ordering) -> Sequence[tuple[float, str, str]]:
    return [(round(at, 3), each.order, each.outcome) for at, each in controller.answers]


async def test_a_gate_says_from_the_start_which_connections_it_can_make(tmp_path: Path) -> None:
    controller = Ordering()
    async with running(FakeHost(), controller, tmp_path):
        await asyncio.sleep(1)
        assert controller.syncs[0].kinds == ("register-key",)
    controller = Ordering()
    async with running(FakeHost(kinds=()), controller, tmp_path):
        await asyncio.sleep(1)
        assert controller.syncs[0].kinds == ()


async def test_the_answer_to_an_order_is_sent_at_once_and_once(tmp_path: Path) -> None:
    """The gate's poll of 20 s is not waited for."""
    controller, host = Ordering(), FakeHost()
    async with running(host, controller, tmp_path):
        await asyncio.sleep(21)
        controller.order("o1", "o2")
        began = now()
        await asyncio.sleep(60)

        found = said(controller)
        assert sorted(each[1:] for each in found) == [("o1", "done"), ("o2", "done")]
        assert max(at for at, _, _ in found) < began + 20.1
        assert len(host.orders) == 2


async def test_a_disk_that_does_not_answer_holds_neither_the_reports_nor_a_mount(tmp_path: Path) -> None:
    controller, host = Ordering(), FakeHost(mute=asyncio.Event())
    async with running(host, controller, tmp_path) as gate:
        controller.order("o1")
        await asyncio.sleep(2)
        controller.grant(grant())
        await gate.mount("data", "a")
        assert now() < 5
        await asyncio.sleep(20)
        assert [each[1:] for each in said(controller)] == [("o1", "in-doubt")]
        assert controller.history("data")[-1] == ("mounted", 1)


async def test_an_order_is_repeated_without_turning_in_circles(tmp_path: Path) -> None:
    controller, host = Ordering(), FakeHost(mute=asyncio.Event())
    async with running(host, controller, tmp_path):
        controller.order("o1")
        await asyncio.sleep(14)
        assert len(controller.syncs) <= 16
        assert len(host.orders) == 1


async def test_an_answer_that_did_not_reach_the_controller_is_sent_again(tmp_path: Path) -> None:
    controller, host = Ordering(), FakeHost(mute=asyncio.Event())
    async with running(host, controller, tmp_path):
        assert host.mute is not None
        controller.order("o1")
        await asyncio.sleep(2)
        controller.down = "10.0.0.1:7490: refused"
        controller.wanted = []
        host.mute.set()
        await asyncio.sleep(5)
        assert said(controller)[-1][1:] == ("o1", "done")  # heard, but not answered
        controller.answers.clear()
        controller.down = None
        await asyncio.sleep(5)
        assert [each[1:] for each in said(controller)] == [("o1", "done")]


async def test_after_its_restart_a_gate_carries_out_what_is_said_again(tmp_path: Path) -> None:
    """Its process ended before the answer: nothing is known of the first time, and to do it twice changes nothing."""
    controller, host = Ordering(), FakeHost(mute=asyncio.Event())
    async with running(host, controller, tmp_path):
        controller.order("o1")
        await asyncio.sleep(2)
    host.mute = None
    async with running(host, controller, tmp_path):
        await asyncio.sleep(2)
        assert [each[1:] for each in said(controller)] == [("o1", "done")]


async def test_a_gate_that_starts_connects_nothing_by_itself(tmp_path: Path) -> None:
    """Whatever it did before: its node may have been fenced meanwhile."""
    controller, host = Ordering(), FakeHost()
    async with running(host, controller, tmp_path) as gate:
        controller.order("o1")
        controller.grant(grant())
        await gate.mount("data", "a")
        await asyncio.sleep(2)
    host.orders.clear()
    async with running(host, controller, tmp_path):
        await asyncio.sleep(120)
        assert host.orders == []

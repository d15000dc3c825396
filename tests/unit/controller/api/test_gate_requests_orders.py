"""An order to connect a disk ends the long poll of its gate at once, and the next sync brings the word about it."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.gate_requests import REPEAT_ORDERS
from controller.model import NodeId, VmId
from controller.protocol.answers import Rejection
from controller.protocol.connecting.orders import Carried
from controller.protocol.messages import Orders, Sync
from drivers.base import Done, InDoubt, Outcome
from tests.support.connections import connection
from tests.support.shell import Scene, scene

pytestmark = pytest.mark.looptime
A = NodeId("a")


def now() -> float:
    return asyncio.get_running_loop().time()


async def sync(place: Scene, *carried: Carried, wait: float = 20.0, node: str = "a") -> Orders:
    """A gate that can register keys; the played one of that node is silent meanwhile."""
    place.cluster.gates[NodeId(node)].frozen = True
    said = Sync(f"vm-{node}", f"boot-{node}-1", "1", kinds=("register-key",), carried=carried, wait=wait)
    answer = await place.one.gate_requests.sync(NodeId(node), said)
    assert not isinstance(answer, Rejection)
    return answer


async def order(place: Scene) -> asyncio.Future[list[Outcome]]:
    async def ask() -> list[Outcome]:
        return [*await place.one.state.nodes.connect(VmId("vm-a"), [connection()])]

    task = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    return task


async def test_an_order_ends_the_poll_and_is_answered_by_the_next_sync() -> None:
    async with scene() as place:
        await sync(place, wait=0.0)
        poll = asyncio.ensure_future(sync(place))
        await asyncio.sleep(5)
        began, task = now(), await order(place)
        (got,) = (await poll).connects
        await sync(place, Carried(got.order, "done"), wait=0.0)

        assert await task == [Done()]
        assert now() == pytest.approx(began, abs=0.01)


async def test_the_poll_of_another_gate_is_not_ended_by_it() -> None:
    async with scene() as place:
        for node in "ab":
            await sync(place, wait=0.0, node=node)
        await asyncio.sleep(1)
        poll = asyncio.ensure_future(sync(place, node="b"))
        await asyncio.sleep(1)
        task = await order(place)
        await asyncio.sleep(5)

        assert not poll.done()
        poll.cancel()
        task.cancel()


async def test_an_order_that_is_not_answered_yet_is_said_again_after_a_while() -> None:
    """The answer that had it may have been lost on its way."""
    async with scene() as place:
        await sync(place, wait=0.0)
        task = await order(place)
        first = await sync(place)
        began = now()
        second = await sync(place)

        assert first.connects == second.connects != ()
        assert now() - began == pytest.approx(REPEAT_ORDERS, abs=0.01)
        assert isinstance((await task)[0], InDoubt)


async def test_a_gate_that_is_no_longer_heard_under_its_boot_answers_for_nobody() -> None:
    """A node that names another node's VM is refused before its word counts."""
    async with scene() as place:
        await sync(place, wait=0.0)
        task = await order(place)
        (got,) = (await sync(place)).connects
        lie = Sync("vm-a", "boot-a-1", "1", carried=(Carried(got.order, "done"),), wait=0.0)

        assert isinstance(await place.one.gate_requests.sync(NodeId("b"), lie), Rejection)
        assert not task.done()
        assert isinstance((await task)[0], InDoubt)

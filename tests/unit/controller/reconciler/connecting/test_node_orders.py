"""An order reaches the gate of its VM with the next answer; its outcome is that gate's word, or what is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from controller.model import BootId, Connection, NodeId, VmId
from controller.protocol.connecting.orders import Carried, Connect
from controller.protocol.messages import Orders, Release, Sync
from controller.reconciler.connecting.node_orders import PATIENCE
from controller.reconciler.state import LoopState
from drivers.base import Done, InDoubt, Outcome, Refused, Unreachable
from drivers.nodes import Nodes
from tests.support.connections import KEY, connection

pytestmark = pytest.mark.looptime

VM, OTHER = VmId("vm-a"), VmId("vm-b")


def now() -> float:
    return asyncio.get_running_loop().time()


def loop_state(kinds: Sequence[str] = ("register-key",)) -> LoopState:
    """A gate on each of both VMs was heard just now."""
    state = LoopState(asyncio.get_running_loop().time)
    for vm in (VM, OTHER):
        state.gates.hear(NodeId(f"node-{vm}"), Sync(vm, BootId("boot"), "1", kinds=tuple(kinds)))
    return state


async def ordered(state: LoopState, *what: Connection) -> asyncio.Future[Sequence[Outcome]]:
    """Under way, and not yet told to any gate."""
    nodes: Nodes = state.nodes
    task = asyncio.ensure_future(nodes.connect(VM, what or (connection(),)))
    await asyncio.sleep(0)
    return task


def told(state: LoopState, vm: VmId = VM) -> tuple[Connect, ...]:
    return state.nodes.beside(vm, Orders()).connects


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (("done", ""), Done()),
        (("refused", "the key is gone"), Refused("the key is gone")),
        (("in-doubt", "the disk does not answer"), InDoubt("the disk does not answer")),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
async def test_the_outcome_is_the_word_of_the_gate(said: tuple[str, str], outcome: Outcome) -> None:
    state = loop_state()
    task = await ordered(state)
    (order,) = told(state)

    state.nodes.heard(VM, (Carried(order.order, said[0], said[1]),))  # type: ignore[arg-type]

    assert await task == [outcome]
    assert now() == 0


async def test_a_gate_is_told_all_that_was_ordered() -> None:
    """Names, epoch and the whole key, which is longer than a number in JSON may be."""
    state = loop_state()
    task = await ordered(state)

    (order,) = told(state)
    assert order.connection() == connection()
    assert order.key == f"{KEY:016x}"
    task.cancel()


async def test_each_order_gets_its_own_outcome_in_the_order_in_which_they_were_asked() -> None:
    state = loop_state()
    task = await ordered(state, connection("one"), connection("two"))
    one, two = told(state)
    state.nodes.heard(VM, (Carried(two.order, "refused", "no"), Carried(one.order, "done")))

    assert await task == [Done(), Refused("no")]


async def test_what_is_to_be_undone_is_said_apart() -> None:
    state = loop_state()
    task = asyncio.ensure_future(state.nodes.disconnect(VM, [connection()]))
    await asyncio.sleep(0)

    found = state.nodes.beside(VM, Orders())
    assert not found.connects
    (order,) = found.disconnects
    state.nodes.heard(VM, (Carried(order.order, "done"),))
    assert await task == [Done()]


async def test_an_order_goes_beside_what_a_gate_is_to_let_go() -> None:
    state = loop_state()
    task = await ordered(state)

    found = state.nodes.beside(VM, Orders((Release("data", 4),)))
    assert (found.releases, len(found.connects)) == ((Release("data", 4),), 1)
    task.cancel()


async def test_without_a_gate_that_was_heard_nothing_is_ordered() -> None:
    state = loop_state()
    (outcome,) = await state.nodes.connect(VmId("vm-z"), [connection()])

    assert isinstance(outcome, Unreachable)
    assert "no gate of VM vm-z was heard by this controller yet" in outcome.why
    assert now() == 0


async def test_a_gate_that_was_not_heard_for_long_gets_no_order() -> None:
    state = loop_state()
    await asyncio.sleep(state.nodes.fresh + 1)
    (outcome,) = await state.nodes.connect(VM, [connection()])

    assert isinstance(outcome, Unreachable)
    assert "was not heard for 41 s" in outcome.why
    assert told(state) == ()


async def test_a_gate_that_did_not_say_that_it_can_is_never_asked() -> None:
    """It would not understand the whole answer, and with it what it is to let go."""
    state = loop_state(kinds=())
    (outcome,) = await state.nodes.connect(VM, [connection()])

    assert isinstance(outcome, Unreachable)
    assert "cannot register-key a disk" in outcome.why


async def test_an_order_that_no_gate_came_for_was_surely_never_sent() -> None:
    state = loop_state()
    (outcome,) = await state.nodes.connect(VM, [connection()])

    assert isinstance(outcome, Unreachable)
    assert now() == PATIENCE
    assert told(state) == ()


async def test_an_order_that_was_sent_and_not_answered_in_time_is_in_doubt_and_is_not_said_again() -> None:
    state = loop_state()
    task = await ordered(state)
    told(state)

    (outcome,) = await task
    assert isinstance(outcome, InDoubt)
    assert now() == PATIENCE
    assert told(state) == ()


async def test_until_it_is_answered_an_order_is_said_again_as_the_same_one() -> None:
    state = loop_state()
    task = await ordered(state)

    assert told(state) == told(state) != ()
    state.nodes.heard(VM, (Carried(told(state)[0].order, "done"),))
    assert told(state) == ()
    assert await task == [Done()]


async def test_only_the_gate_that_has_the_order_is_told_and_believed() -> None:
    state = loop_state()
    task = await ordered(state)
    assert told(state, OTHER) == ()
    (order,) = told(state)

    state.nodes.heard(OTHER, (Carried(order.order, "done"),))

    (outcome,) = await task
    assert isinstance(outcome, InDoubt)


async def test_what_a_gate_says_of_an_order_of_somebody_else_is_no_answer_to_ours() -> None:
    """Of this controller's life before, or of another one."""
    state = loop_state()
    task = await ordered(state)
    told(state)
    state.nodes.heard(VM, (Carried("another", "done"),))

    (outcome,) = await task
    assert isinstance(outcome, InDoubt)


async def test_two_orders_are_never_called_alike() -> None:
    state = loop_state()
    task = await ordered(state, connection(), connection())

    assert len({each.order for each in told(state)}) == 2
    task.cancel()


async def test_who_gives_up_the_wait_takes_the_order_back() -> None:
    """As when the call's own deadline passes."""
    state = loop_state()
    task = await ordered(state)
    task.cancel()
    await asyncio.wait({task})

    assert told(state) == ()

"""What is kept and told about nodes: their records go when they left, and people see how their gates are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.doctor.node_advice import MOST_TCP_RETRIES2, advice
from controller.model import Node, NodeId, NodeState
from controller.protocol.answers import Rejection
from controller.protocol.machine import read_tcp_retries2
from controller.protocol.messages import Hello
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime

A, B = NodeId("a"), NodeId("b")


def leave(play: Scene, node: NodeId) -> None:
    del play.cluster.swarm.nodes[node]
    play.one.state.wakeup("a node left")


async def test_the_record_of_a_node_that_left_the_swarm_is_removed_and_the_others_stay() -> None:
    async with scene() as play:
        await asyncio.sleep(1)
        assert set(play.cluster.store.nodes) == {"a", "b", "c"}
        play.cluster.gates[B].frozen = True
        leave(play, B)
        await asyncio.sleep(30)

        assert set(play.cluster.store.nodes) == {"a", "c"}


async def test_the_record_of_a_node_that_left_stays_while_its_vm_has_a_disk() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.gates[A].frozen = True
        del play.cluster.swarm.wants[DATA]
        leave(play, A)
        await asyncio.sleep(30)

        assert A in play.cluster.store.nodes


async def test_no_record_of_a_node_is_removed_while_the_swarm_cannot_be_read() -> None:
    async with scene() as play:
        await asyncio.sleep(1)
        play.cluster.gates[B].frozen = True
        play.cluster.swarm.unread = True
        leave(play, B)
        await asyncio.sleep(30)

        assert B in play.cluster.store.nodes


async def test_status_shows_the_last_word_of_each_node_service_about_its_gate() -> None:
    async with scene() as play:
        await play.one.gate_requests.hello(B, Hello("vm-b", "boot-b-1", "host-b", "disabled; it waits"))
        status = await play.operator_requests.status()

        assert not isinstance(status, Rejection)
        told = {line.node: (line.state, line.vm, line.gate) for line in status.nodes}
        assert told["host-b"] == ("ready", "vm-b", "disabled; it waits")
        assert told["host-c"][2] == "its node service was not heard yet"


async def test_status_advises_a_manager_whose_kernel_waits_long_for_dead_peers() -> None:
    async with scene() as play:
        await play.one.gate_requests.hello(A, Hello("vm-a", "boot-a-1", "host-a", "running", 15))
        await play.one.gate_requests.hello(B, Hello("vm-b", "boot-b-1", "host-b", "running", 5))
        status = await play.operator_requests.status()

        assert not isinstance(status, Rejection)
        told = {line.node: line.concerns for line in status.nodes}
        assert "net.ipv4.tcp_retries2 is 15" in told["host-a"][0]
        assert (told["host-b"], told["host-c"]) == ((), ())


@pytest.mark.parametrize(
    ("manager", "retries", "advised"),
    [(True, MOST_TCP_RETRIES2 + 1, True), (True, MOST_TCP_RETRIES2, False), (True, None, False), (False, 15, False)],
    ids=["a manager over the most", "a manager at the most", "a manager that cannot tell", "a worker"],
)
def test_only_managers_over_the_most_retries_are_advised(manager: bool, retries: int | None, advised: bool) -> None:
    """A worker's connections to a leader that died are closed by Swarm itself."""
    node = Node(A, "host-a", NodeState.READY, manager=manager)

    assert bool(advice(node, retries)) is advised


def test_retries_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    """A node without the file, or with something else in it, is not advised on a guess."""
    file = tmp_path / "tcp_retries2"
    assert read_tcp_retries2(file) is None
    file.write_text("many\n")
    assert read_tcp_retries2(file) is None
    file.write_text("15\n")
    assert read_tcp_retries2(file) == 15
